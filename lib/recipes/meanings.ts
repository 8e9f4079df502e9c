/**
 * What the keys of a recipe mean, in the order of the table in docs/recipes.md; what they take and default to the schemas
 * say. Keys that belong to one data set say what they mean where they are defined.
 */

export interface Meaning {
  readonly meaning: string
  /** What a key that is not given means, where the schema has no default of its own. */
  readonly default?: string
  /** What it takes, where the schema's type says too little. */
  readonly takes?: string
}

const ofPretrain = { meaning: 'of fine-tuning', default: 'those of `pretrain`' }
const path = 'a path'

export const meanings: Readonly<Record<string, Meaning>> = {
  name: { meaning: 'what the run is called', default: 'name of the file' },
  seed: { meaning: 'key of all randomness: weights, order, augmentation, attacks' },
  device: { meaning: 'where it runs', takes: '`cpu`, `cuda`, `cuda:1`' },
  moreDevices: {
    meaning: 'devices that share the batches of training with it',
    takes: 'a list, such as `[cuda:1, cuda:2]`',
    default: 'none',
  },
  threads: { meaning: 'CPU threads', default: 'all cores' },
  deterministic: { meaning: 'slower; for CUDA, the CPU is deterministic anyway' },
  'data.set': { meaning: 'the [data set](#data-sets); a name alone stands for `{ set: name }`' },
  'network.name': { meaning: 'a network by name; the name alone stands for `{ name }`', takes: 'a name' },
  'network.scale': { meaning: 'of a network by name: factor on every hidden width', default: '1' },
  'network.classes': { meaning: 'of a network by name: number of logits', default: 'those of the data' },
  'network.input': {
    meaning: 'of a network by name: shape of an image',
    default: 'that of the data',
    takes: '`[channels, height, width]`',
  },
  'network.normalize': {
    meaning: 'of a network by name: mean and deviation inside it, or none',
    default: 'those of the data set',
    takes: '`{ mean, std }`, `false`',
  },
  'network.file': { meaning: 'instead of a name, a JSON file with a spec', takes: path },
  'network.spec': { meaning: 'or the spec itself', takes: 'a spec' },
  'pretrain.objective': {
    meaning: 'a name, or in full: see [objectives](#objectives)',
    default: '`natural`',
  },
  'pretrain.from': { meaning: 'a model file to start from', takes: path },
  'pretrain.epochs': { meaning: 'passes over the training images', default: '100; 0 if `from` is given' },
  'pretrain.optimiser': {
    meaning: 'a name, or in full: `{ kind: sgd, momentum: 0.9 }`',
    default: 'with batch norm `sgd`, else `adam`',
  },
  'pretrain.learningRate': { meaning: 'where the schedule starts', default: '`sgd` 0.1, `adam` 0.001' },
  'pretrain.schedule': {
    meaning: '`steps`: ×0.1 after 50, 75 and 90 % of the epochs',
    default: '`steps`; `constant` in fewer than 10 epochs, or where ε grows for more than half of them',
  },
  'pretrain.naturalEpochs': {
    meaning: 'epochs of the clean loss alone, before ε grows',
    default:
      'on bounds a tenth of the epochs (at least 50 steps, at most an eighth); under attack without batch norm 50 ' +
      'steps (at most a quarter); else, or with `rampEpochs: 0`, 0',
  },
  'pretrain.rampEpochs': {
    meaning: 'epochs over which ε then grows from 0, step by step',
    default:
      'on bounds two fifths (at least 250 steps, at most five eighths); under attack without batch norm a quarter ' +
      '(100 steps, half); else 0',
  },
  'pretrain.rampPower': {
    meaning: 'ε grows as this power of the part of the ramp that is done; 1 is linear',
    default: 'on bounds 4, else 1',
  },
  'pretrain.batchSize': { meaning: 'images of a step' },
  'pretrain.precision': { meaning: '`bf16` keeps fp32 master weights', default: '`fp32`' },
  'pretrain.augment': {
    meaning: '`standard` crops (padded by 4 pixels) and flips, `none` does not',
    default: 'what suits the data: `standard` for CIFAR, else `none`',
    takes: '`standard`, `none`, `{ pad, flip }`',
  },
  'pretrain.averaging': {
    meaning: 'end with the mean of the weights, which so much of stays at each step (`0.995`, say)',
    default: 'none: the last weights',
  },
  'pretrain.labelSmoothing': {
    meaning: 'the part of the target that all classes share alike',
    default: '0',
  },
  'prune.sparsity': {
    meaning: 'target: fraction of weights, or of filters for `structure: filter`',
    takes: 'a fraction below 1',
  },
  'prune.structure': { meaning: 'what goes together: see [structures](#structures)' },
  'prune.score': { meaning: 'how weights are ranked: the lowest go' },
  'prune.scope': { meaning: 'whether layers compete with each other' },
  'prune.residual': { meaning: '`grouped` prunes filters that an addition ties together' },
  'prune.exclude': {
    meaning:
      'layers that keep all their weights (filters), by name (`[conv1_1]`); the others lose the more, so that the ' +
      'target is met (with `2:4`, as far as the pattern allows)',
    default: 'none',
  },
  'prune.schedule': { meaning: 'sparsity as a function of the step' },
  'prune.steps': { meaning: 'pruning steps' },
  'prune.epochsPerStep': { meaning: 'fine-tuning after each step' },
  'prune.learningRate': { meaning: 'of fine-tuning, constant' },
  'prune.milestones': { meaning: 'sparsities on the way to evaluate and keep' },
  'prune.keep': { meaning: '`steps` keeps a checkpoint of every step' },
  'prune.scoreEpochs': { meaning: 'for `score: learned`, at each step' },
  'prune.scoreLearningRate': { meaning: 'the same' },
  'prune.optimiser': ofPretrain,
  'prune.batchSize': ofPretrain,
  'prune.precision': ofPretrain,
  'prune.augment': { ...ofPretrain, takes: '`standard`, `none`, `{ pad, flip }`' },
  'prune.averaging': ofPretrain,
  'prune.labelSmoothing': ofPretrain,
  finetune: {
    meaning: 'an objective by name or in full, or a list: each is a branch from the same dense network',
    takes: '`matched`, `none`, an [objective](#objectives)',
  },
  'evaluate.attack': {
    meaning:
      'an [attack](attacks.md) by name, or in full: `{ epsilon, stepSize, steps, restarts, start }`, ' +
      '`{ kind: autoattack, epsilon }` …',
    default: 'that of the objective, else `pgd10`',
    takes: '`pgd10`, `pgd50x10`, `autoattack` …',
  },
  'evaluate.images': { meaning: 'the first so many test images', default: 'all' },
  'evaluate.batchSize': { meaning: 'images at once' },
  'evaluate.precision': { meaning: 'of the attack and the predictions' },
  'evaluate.verify': {
    meaning:
      'each [verifier](#verifiers) has a column; or `{ verifiers, epsilon, images }`: ε is by default that of the ' +
      "objective on bounds, else the attack's, and `images` those evaluated",
    default: '`symbolic` if the objective is on bounds, else `none`',
    takes: 'a verifier or a list of them, `none`',
  },
}
