"""What the device's convolutions reach alone: ceiling.py BATCH DEVICE   (prints one line of JSON, TFLOP/s)

The convolutions of VGG16 in bf16, channels last, each alone and repeated; and one large product of matrices.
"""
import json
import sys
import time

import torch
import torch.nn.functional as F

batch, device = int(sys.argv[1]), sys.argv[2]
torch.backends.cudnn.benchmark = True
cuda = torch.device(device).type == 'cuda'
shapes = [(3, 64, 32), (64, 64, 32), (64, 128, 16), (128, 128, 16), (128, 256, 8), (256, 256, 8), (256, 256, 8),
          (256, 512, 4), (512, 512, 4), (512, 512, 4), (512, 512, 2), (512, 512, 2), (512, 512, 2)]


def seconds(work, repeats):
    for _ in range(3 if cuda else 1):
        work()
    if cuda:
        torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    if cuda:
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / repeats


repeats = 30 if cuda else 1
spent = {'forward': 0.0, 'inputGradient': 0.0, 'weightGradient': 0.0}
flops = 0
for inputs, outputs, size in shapes:
    like = dict(device=device, dtype=torch.bfloat16)
    x = torch.randn(batch, inputs, size, size, **like).contiguous(memory_format=torch.channels_last)
    w = torch.randn(outputs, inputs, 3, 3, **like).contiguous(memory_format=torch.channels_last)
    y = F.conv2d(x, w, padding=1)
    backward = torch.ops.aten.convolution_backward

    def gradient(mask):
        return backward(y, x, w, None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1, mask)

    spent['forward'] += seconds(lambda: F.conv2d(x, w, padding=1), repeats)
    spent['inputGradient'] += seconds(lambda: gradient([True, False, False]), repeats)
    spent['weightGradient'] += seconds(lambda: gradient([False, True, False]), repeats)
    flops += 2 * batch * inputs * outputs * 9 * size * size

side = 8192 if cuda else 256
a = torch.randn(side, side, device=device, dtype=torch.bfloat16)
product = 2 * side**3 / seconds(lambda: a @ a, repeats)
teraflops = {name: flops / taken / 1e12 for name, taken in spent.items()}
print(json.dumps({**teraflops, 'product': product / 1e12, 'batch': batch, 'torch': torch.__version__}))
