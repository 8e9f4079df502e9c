/** How much work a run is, in passes of one image through the network: the measure of its progress. */
import { type Attack, attackWork } from '../attacks/attack.js'
import { objectiveWork } from '../objectives/index.js'
import { scoringEpochs } from '../pruning/scores.js'
import { branchesOf, type ResolvedRecipe, type VerifyPlan } from '../recipes/resolve.js'
import { verificationWork } from '../verification/index.js'

/** Of training on one image. With bounds an estimate: what they cost depends on how many neurons are unstable. */
export const trainingWork = objectiveWork

export const evaluationWork = (attack: Attack): number => 1 + attackWork(attack)

/** Of verifying one image with all verifiers. */
export const verifyWork = ({ verifiers }: VerifyPlan): number =>
  verifiers.reduce((sum, verifier) => sum + verificationWork(verifier), 0)

/** Work of a whole run. */
export const totalWork = (recipe: ResolvedRecipe, images: { train: number; validation: number }): number => {
  const { pretrain, prune, evaluate } = recipe
  const { verify } = evaluate
  const evaluation =
    (evaluate.images + images.validation) * evaluationWork(evaluate.attack) +
    (verify === undefined ? 0 : verify.images * verifyWork(verify))
  let work = images.train * pretrain.epochs * trainingWork(pretrain.objective) + evaluation
  if (prune === undefined) return work
  for (const { objective } of branchesOf(recipe)) {
    const scoreEpochs = scoringEpochs(prune)
    const passes =
      (objective ? prune.epochsPerStep * trainingWork(objective) : 0) +
      scoreEpochs * trainingWork(objective ?? pretrain.objective)
    const evaluations = new Set([...prune.milestones, prune.sparsity]).size
    work += prune.steps * images.train * passes + evaluations * evaluation
  }
  return work
}
