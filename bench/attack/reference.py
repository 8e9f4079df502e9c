"""One trial of the baseline: AutoAttack as its authors publish it, on a network that Coppice trained.

usage: reference.py REQUEST   (JSON, as run.mjs makes it; prints one line of JSON)
  reference: folder of auto-attack's checkout     model: a Coppice model file, whose spec is a chain
  data: folder of CIFAR-10's binary files     images: the first so many test images
  attacks: names, each on what those before left standing     epsilon, batch, threads, seed
"""
import json
import struct
import sys
import time

import numpy
import torch
import torch.nn as nn

request = json.loads(sys.argv[1])
sys.path.insert(0, request['reference'])
from autoattack import AutoAttack  # noqa: E402

torch.set_num_threads(request['threads'])
torch.set_flush_denormal(True)


def read_safetensors(path):
    with open(path, 'rb') as file:
        header = json.loads(file.read(struct.unpack('<Q', file.read(8))[0]))
        data = file.read()
    metadata = header.pop('__metadata__', {})
    types = {'F32': '<f4', 'F64': '<f8', 'I32': '<i4', 'U8': 'u1'}
    return metadata, {
        name: torch.from_numpy(
            numpy.frombuffer(data[slice(*entry['data_offsets'])], types[entry['dtype']]).reshape(entry['shape']).copy())
        for name, entry in header.items()}


class Normalize(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.register_buffer('mean', torch.tensor(mean).view(-1, 1, 1))
        self.register_buffer('std', torch.tensor(std).view(-1, 1, 1))

    def forward(self, x):
        return (x - self.mean) / self.std


def build(path):
    metadata, tensors = read_safetensors(path)
    spec = json.loads(metadata['spec'])
    layers, (channels, height) = [], spec['input'][:2]
    for node in spec['nodes']:
        op, name = node['op'], node['name']
        if op == 'normalize':
            layers.append(Normalize(node['mean'], node['std']))
        elif op == 'conv2d':
            layers.append(nn.Conv2d(channels, node['channels'], node['kernel'], node['stride'], node['padding'], bias=node['bias']))
            channels, height = node['channels'], (height + 2 * node['padding'] - node['kernel']) // node['stride'] + 1
        elif op == 'batchNorm2d':
            layers.append(nn.BatchNorm2d(channels, eps=node['epsilon']))
        elif op == 'relu':
            layers.append(nn.ReLU())
        elif op in ('maxPool2d', 'averagePool2d'):
            layers.append((nn.MaxPool2d if op == 'maxPool2d' else nn.AvgPool2d)(node['kernel'], node['stride']))
            height = (height - node['kernel']) // node['stride'] + 1
        elif op == 'flatten':
            layers.append(nn.Flatten())
            channels *= height * height
        elif op == 'linear':
            layers.append(nn.Linear(channels, node['features'], bias=node['bias']))
            channels = node['features']
        else:
            sys.exit(f'{path}: the baseline has no {op} ("{name}")')
        with torch.no_grad():
            for kind, tensor in layers[-1].state_dict().items():
                if f'{name}.{kind}' in tensors:
                    tensor.copy_(tensors[f'{name}.{kind}'])
    return nn.Sequential(*layers).eval()


def read_images(folder, count):
    rows = numpy.fromfile(f'{folder}/test_batch.bin', numpy.uint8, count * 3073).reshape(count, 3073)
    pixels = torch.from_numpy(rows[:, 1:].reshape(count, 3, 32, 32).copy()).float() / 255
    return pixels, torch.from_numpy(rows[:, 0].astype(numpy.int64))


model = build(request['model'])
images, labels = read_images(request['data'], request['images'])
with torch.no_grad():
    predictions = torch.cat([model(part).argmax(1) for part in images.split(250)])
standing = predictions == labels
broken_by = [None] * len(labels)
stages = []
for name in request['attacks']:
    left = standing.nonzero().view(-1)
    attack = AutoAttack(model, norm='Linf', eps=request['epsilon'], version='standard', seed=request['seed'],
                        verbose=False, device='cpu')
    attack.attacks_to_run = [name]
    wall, cpu = time.perf_counter(), time.process_time()
    examples, found = attack.run_standard_evaluation(images[left], labels[left], bs=request['batch'], return_labels=True)
    stages.append({'attack': name, 'images': len(left), 'seconds': time.perf_counter() - wall,
                   'cpuSeconds': time.process_time() - cpu})
    assert (examples - images[left]).abs().max() <= request['epsilon'] + 1e-6
    for place in left[found != labels[left]].tolist():
        broken_by[place] = name
        standing[place] = False
print(json.dumps({'torch': torch.__version__, 'predictions': predictions.tolist(), 'brokenBy': broken_by,
                  'stages': stages}))
