"""The machine's peak as libtorch reaches it: the faster of a big convolution and a big matrix product, in GFLOP/s.

usage: peak.py THREADS DEVICE   (prints one line of JSON)
"""
import json
import sys
import time

import torch

threads, device = sys.argv[1:3]
torch.set_num_threads(int(threads))
torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
images, kernel = torch.rand(64, 64, 32, 32, device=device), torch.rand(64, 64, 3, 3, device=device)
square = torch.rand(2048, 2048, device=device)
WORK = [
    (2 * 64 * 64 * 9 * 64 * 32 * 32, lambda: torch.conv2d(images, kernel, padding=1)),
    (2 * 2048**3, lambda: square @ square),
]


def seconds(work):
    started = time.perf_counter()
    work()
    if device != 'cpu':
        torch.cuda.synchronize()
    return time.perf_counter() - started


with torch.inference_mode():
    print(json.dumps({'gflops': max(flops / min(seconds(work) for _ in range(8)) / 1e9 for flops, work in WORK)}))
