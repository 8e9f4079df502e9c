"""One trial of the baseline: an adversarial PGD-10 training step in plain PyTorch.

usage: pytorch.py NETWORK PRECISION LAYOUT STEPS BATCH THREADS DEVICE   (prints one line of JSON)
Same network, batch, attack and optimiser as the Coppice side; eager mode, autocast for bf16.
"""
import json
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

network, precision, layout, steps, batch, threads, device = sys.argv[1:8]
steps, batch = int(steps), int(batch)
torch.set_num_threads(int(threads))
torch.manual_seed(0)
if device != 'cpu':
    torch.backends.cudnn.benchmark = True


class Normalize(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer('mean', torch.tensor([0.4914, 0.4822, 0.4465]).view(3, 1, 1))
        self.register_buffer('std', torch.tensor([0.2470, 0.2435, 0.2616]).view(3, 1, 1))

    def forward(self, x):
        return (x - self.mean) / self.std


def vgg16():
    layers, channels = [Normalize()], 3
    for width in [64, 64, 0, 128, 128, 0, 256, 256, 256, 0, 512, 512, 512, 0, 512, 512, 512]:
        if width == 0:
            layers.append(nn.MaxPool2d(2))
            continue
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(True)]
        channels = width
    head = [nn.AvgPool2d(1), nn.Flatten(), nn.Linear(2048, 256), nn.ReLU(True), nn.Linear(256, 256), nn.ReLU(True), nn.Linear(256, 10)]
    return nn.Sequential(*layers, *head)


def cifar_large():
    return nn.Sequential(
        Normalize(), nn.Conv2d(3, 32, 3, 1, 1), nn.ReLU(True), nn.Conv2d(32, 32, 4, 2, 1), nn.ReLU(True),
        nn.Conv2d(32, 64, 3, 1, 1), nn.ReLU(True), nn.Conv2d(64, 64, 4, 2, 1), nn.ReLU(True), nn.Flatten(),
        nn.Linear(4096, 512), nn.ReLU(True), nn.Linear(512, 512), nn.ReLU(True), nn.Linear(512, 10))


model = {'vgg16': vgg16, 'cifarLarge': cifar_large}[network]().to(device)
memory_format = torch.channels_last if layout == 'channelsLast' else torch.contiguous_format
model = model.to(memory_format=memory_format)
images = torch.rand(batch, 3, 32, 32).to(device).contiguous(memory_format=memory_format)
labels = torch.randint(0, 10, (batch,)).to(device)
optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
bf16 = precision == 'bf16'
kind = torch.device(device).type


def logits(x):
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=bf16):
        return model(x).float()


def pgd(x, y, epsilon=8 / 255, step=2 / 255):
    moved = (x + torch.empty_like(x).uniform_(-epsilon, epsilon)).clamp(0, 1)
    for _ in range(10):
        moved.requires_grad_()
        gradient, = torch.autograd.grad(F.cross_entropy(logits(moved), y), moved)
        moved = moved.detach() + step * gradient.sign()
        moved = torch.max(torch.min(moved, x + epsilon), x - epsilon).clamp(0, 1)
    return moved


def train_step():
    model.eval()
    moved = pgd(images, labels)
    model.train()
    optimiser.zero_grad(set_to_none=True)
    F.cross_entropy(logits(moved), labels).backward()
    optimiser.step()


def wait():
    if kind == 'cuda':
        torch.cuda.synchronize()


train_step()
wait()
times = []
for _ in range(steps):
    started = time.perf_counter()
    train_step()
    wait()
    times.append(time.perf_counter() - started)
peak = torch.cuda.max_memory_allocated() if kind == 'cuda' else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({'milliseconds': [1000 * t for t in times], 'peakBytes': peak, 'torch': torch.__version__}))
