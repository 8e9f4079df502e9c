/** Attack one image, and draw what changed, in characters. */
import { adversarialExamples, allCnn, builtin, pgd, train } from 'coppice'

const quick = process.env.COPPICE_EXAMPLES === 'quick'

/** The mean of the channels as characters, two for a pixel. */
const draw = (pixels: ArrayLike<number>, [channels, height, width]: readonly number[]): string => {
  const shades = ' .:-=+*#%@'
  const size = Number(height) * Number(width)
  const shadeAt = (pixel: number): string => {
    let sum = 0
    for (let channel = 0; channel < Number(channels); channel++) sum += pixels[channel * size + pixel] ?? 0
    return shades[Math.min(9, Math.floor((10 * sum) / Number(channels)))]?.repeat(2) ?? ''
  }
  const rows = Array.from({ length: Number(height) }, (_, y) =>
    Array.from({ length: Number(width) }, (_, x) => shadeAt(y * Number(width) + x)).join(''),
  )
  return rows.join('\n')
}

const { train: images, test } = await builtin(quick ? { train: 200, test: 10 } : {})
using net = await allCnn({ scale: quick ? 0.1 : 0.5, seed: 1 })
await train(net, images, { epochs: quick ? 1 : 5 })

const image = test.pixels(0, 1)
const attack = pgd({ epsilon: 8 / 255, steps: quick ? 2 : 20 })
const { images: changed, predictions } = await adversarialExamples(net, image, test.labels.slice(0, 1), {
  attack,
})
const difference = image.map((value, place) => Math.abs((changed[place] ?? 0) - value) / attack.epsilon)
console.log(draw(image, test.shape))
console.log(
  `${test.classNames[test.labels[0] ?? 0]}, taken for ${test.classNames[predictions[0] ?? 0]} once changed by:`,
)
console.log(draw(difference, test.shape))
