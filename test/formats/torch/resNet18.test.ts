import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { importTorch } from '../../../lib/formats/torch/import.js'
import { networkSpec } from '../../../lib/networks/index.js'
import { temporaryFolder } from '../../helpers.js'
import { pythonWithTorch } from '../../parity/pytorch.js'

const python = pythonWithTorch()

/** ResNet-18 for CIFAR as PyTorch modules; saves its state dict, and prints the logits of two images. */
const REFERENCE = `
import json, sys, torch
from torch import nn
class Block(nn.Module):
    def __init__(self, before, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        if stride != 1 or before != width:
            self.shortcut = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))
    def forward(self, x):
        inner = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(inner + self.shortcut(x))
class ResNet18(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        for group, (before, width, stride) in enumerate([(64, 64, 1), (64, 128, 2), (128, 256, 2), (256, 512, 2)]):
            blocks = nn.Sequential(Block(before, width, stride), Block(width, width, 1))
            setattr(self, f'layer{group + 1}', blocks)
        self.linear = nn.Linear(512, 10)
    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        for group in range(1, 5):
            x = getattr(self, f'layer{group}')(x)
        return self.linear(nn.functional.avg_pool2d(x, 4).flatten(1))
torch.manual_seed(0)
model = ResNet18()
images = torch.arange(2 * 3 * 32 * 32).reshape(2, 3, 32, 32).mul(7).remainder(256).div(255)
with torch.no_grad():
    model(torch.rand(8, 3, 32, 32))
    logits = model.eval()(images)
torch.save({'module.' + name: value for name, value in model.state_dict().items()}, sys.argv[1])
print(json.dumps(logits.flatten().tolist()))
`

describe.skipIf(python === undefined)('resNet18 (skipped without a Python that has PyTorch)', () => {
  it('takes the state dict of its namesake by name, and has its logits', { timeout: 120_000 }, async () => {
    const file = join(temporaryFolder(), 'resnet18.pth')
    const theirs = JSON.parse(
      execFileSync(python ?? '', ['-c', REFERENCE, file], { encoding: 'utf8' }),
    ) as number[]
    const network = await importTorch(file, networkSpec('resNet18', { normalize: false }))
    const images = Float32Array.from({ length: 2 * 3 * 32 * 32 }, (_, pixel) => ((7 * pixel) % 256) / 255)
    const ours = await network.logits(images)
    expect(theirs).toHaveLength(20)
    for (const [index, logit] of theirs.entries()) expect(ours[index]).toBeCloseTo(logit, 4)
  })
})
