/**
 * Networks that would be trained twice are trained once: tasks that agree in everything that determines their
 * pre-training get one task that carries it out, and start from its network. They end in the same bits as if each had
 * trained it itself, and remain runs of their whole recipe.
 */
import { hashOf } from '../base/json.js'
import type { Recipe } from '../recipes/recipe.js'
import { labelsOf } from './names.js'
import type { Task } from './plan.js'

/** The tasks, and before them those of pre-training that several share. */
export const withSharedPretraining = (tasks: readonly Task[]): Task[] => {
  const groups = new Map<string, Task[]>()
  for (const task of tasks) {
    const key = pretrainingKey(task.recipe)
    groups.set(key, [...(groups.get(key) ?? []), task])
  }
  const names = new Set(tasks.map(({ name }) => name))
  const added: Task[] = []
  const trainer = new Map<Task, string>()
  for (const group of groups.values()) {
    const pruning = group.filter(({ recipe }) => recipe.prune !== undefined && recipe.pretrain.epochs !== 0)
    // A task that prunes nothing is that pre-training already.
    const given = group.find(({ recipe }) => recipe.prune === undefined)
    const [first] = pruning
    if (first === undefined || (given === undefined && pruning.length === 1)) continue
    const shared = given ?? pretrainingOf(first, names)
    if (given === undefined) added.push(shared)
    names.add(shared.name)
    for (const task of pruning) trainer.set(task, shared.name)
  }
  const dependent = (task: Task): Task => {
    const pretrained = trainer.get(task)
    return pretrained === undefined ? task : { ...task, pretrained }
  }
  return [...added, ...tasks.map(dependent)]
}

/** The same for recipes that train the same network: of what determines it nothing is left out. */
const pretrainingKey = ({ seed, device, threads, deterministic, data, network, pretrain }: Recipe): string =>
  hashOf({ seed, device, threads, deterministic, data, network, pretrain })

/** The pre-training of a task as a task of its own. */
const pretrainingOf = ({ recipe, point = {} }: Task, names: ReadonlySet<string>): Task => {
  const { prune: _, finetune: __, ...training } = recipe
  const ofTraining = Object.fromEntries(
    Object.entries(point).filter(([path]) => !/^(prune|finetune|evaluate|name)\b/.test(path)),
  )
  const plain = ['pretrain', ...labelsOf(ofTraining)].join(',')
  let name = plain
  for (let count = 2; names.has(name); count++) name = `${plain},${count}`
  return { name, recipe: { ...training, finetune: ['matched'], name } }
}
