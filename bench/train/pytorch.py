"""One trial of the baseline: adversarial PGD-10 training steps in PyTorch.

usage: pytorch.py SPEC PRECISION LAYOUT STEPS BATCH THREADS DEVICE [MODE]   (prints one line of JSON)
The network of a spec (a JSON file); same batch, attack and optimiser as Coppice's side; autocast for bf16. MODE: `eager`
(default), `compile`, `max-autotune` (torch.compile, the latter with CUDA graphs).
"""
import json
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

path, precision, layout, steps, batch, threads, device = sys.argv[1:8]
mode = sys.argv[8] if len(sys.argv) > 8 else 'eager'
steps, batch = int(steps), int(batch)
torch.set_num_threads(int(threads))
torch.manual_seed(0)
if device != 'cpu':
    torch.backends.cudnn.benchmark = True
with open(path) as file:
    spec = json.load(file)


class Normalize(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1))

    def forward(self, x):
        return (x - self.mean) / self.std


def module_of(node, shape, readers):
    """The module of a node that reads values of a shape; `readers` counts who reads each node."""
    op = node['op']
    if op == 'normalize':
        return Normalize(node['mean'], node['std'])
    if op == 'conv2d':
        return nn.Conv2d(shape[0], node['channels'], node['kernel'], node['stride'], node['padding'], bias=node['bias'])
    if op == 'batchNorm2d':
        return nn.BatchNorm2d(shape[0], node['epsilon'], node['momentum'])
    if op == 'relu':
        return nn.ReLU(inplace=readers.count(node['inputs'][0]) == 1)
    if op == 'maxPool2d':
        return nn.MaxPool2d(node['kernel'], node['stride'])
    if op == 'averagePool2d':
        return nn.AvgPool2d(node['kernel'], node['stride'])
    if op == 'flatten':
        return nn.Flatten()
    if op == 'linear':
        return nn.Linear(shape[0], node['features'], bias=node['bias'])
    return None


class Graph(nn.Module):
    def __init__(self, spec):
        super().__init__()
        self.nodes = spec['nodes']
        self.steps = nn.ModuleList()
        readers = [name for node in self.nodes for name in node['inputs']]
        values = {'image': torch.zeros(1, *spec['input'])}
        with torch.no_grad():
            for node in self.nodes:
                inputs = [values[name] for name in node['inputs']]
                module = module_of(node, inputs[0].shape[1:], readers)
                self.steps.append(module if module is not None else nn.Identity())
                values[node['name']] = inputs[0] + inputs[1] if module is None else module.eval()(inputs[0])

    def forward(self, x):
        values = {'image': x}
        for node, module in zip(self.nodes, self.steps):
            inputs = [values[name] for name in node['inputs']]
            values[node['name']] = inputs[0] + inputs[1] if node['op'] == 'add' else module(inputs[0])
        return values[self.nodes[-1]['name']]


model = Graph(spec).to(device)
memory_format = torch.channels_last if layout == 'channelsLast' else torch.contiguous_format
model = model.to(memory_format=memory_format)
if mode == 'compile':
    run = torch.compile(model)
elif mode == 'max-autotune':
    run = torch.compile(model, mode='max-autotune')
else:
    run = model
images = torch.rand(batch, *spec['input']).to(device).contiguous(memory_format=memory_format)
labels = torch.randint(0, 10, (batch,)).to(device)
optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
bf16 = precision == 'bf16'
kind = torch.device(device).type


def logits(x):
    if mode != 'eager':
        torch.compiler.cudagraph_mark_step_begin()
    with torch.autocast(kind, dtype=torch.bfloat16, enabled=bf16):
        return run(x).float()


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


for _ in range(1 if kind == 'cpu' else 5):
    train_step()
wait()
times = []
for _ in range(3):
    started = time.perf_counter()
    for _ in range(steps):
        train_step()
    wait()
    times.append((time.perf_counter() - started) / steps)
peak = torch.cuda.max_memory_allocated() if kind == 'cuda' else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
parameters = sum(p.numel() for p in model.parameters())
print(json.dumps({'milliseconds': [1000 * t for t in times], 'peakBytes': peak, 'torch': torch.__version__, 'parameters': parameters}))
