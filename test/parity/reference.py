"""What PyTorch computes for a network and a batch that Coppice hands over: the answers that the parity test expects.

usage: reference.py INPUT.safetensors OUTPUT.safetensors
INPUT: metadata `spec` (a network spec as JSON) and `settings` (JSON), the network's tensors by name, `images`
[n, c, h, w] in [0,1], `labels` [n] and `start` (where the attack begins). float64 or float32 throughout.
OUTPUT: `logits` (evaluation mode), `loss` and `gradient.<name>` (training mode), `sgd.<name>` after ten SGD steps,
`adam.<name>` after ten Adam steps, `trained_logits` (evaluation mode, after the SGD steps: running statistics too),
`adversarial` (PGD-10 in evaluation mode from `start`) and `adversarial_loss` (mean cross-entropy there).
"""
import copy
import json
import struct
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

TYPES = {'F64': np.float64, 'F32': np.float32, 'I32': np.int32, 'U8': np.uint8}


def read(path):
    blob = open(path, 'rb').read()
    length = struct.unpack('<Q', blob[:8])[0]
    header = json.loads(blob[8:8 + length])
    metadata = header.pop('__metadata__', {})
    data = blob[8 + length:]
    tensors = {}
    for name, info in header.items():
        begin, end = info['data_offsets']
        array = np.frombuffer(data[begin:end], TYPES[info['dtype']]).reshape(info['shape'])
        tensors[name] = torch.from_numpy(array.copy())
    return metadata, tensors


def write(path, tensors):
    header, blobs, offset = {}, [], 0
    for name, tensor in tensors.items():
        array = tensor.detach().contiguous(memory_format=torch.contiguous_format).numpy()
        blob = array.tobytes()
        kind = {v: k for k, v in TYPES.items()}[array.dtype.type]
        header[name] = {'dtype': kind, 'shape': list(array.shape), 'data_offsets': [offset, offset + len(blob)]}
        offset += len(blob)
        blobs.append(blob)
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    with open(path, 'wb') as file:
        file.write(struct.pack('<Q', len(text)) + text + b''.join(blobs))


class Network(nn.Module):
    """A spec, node by node, in plain PyTorch modules."""

    def __init__(self, spec):
        super().__init__()
        self.spec = spec
        shapes = {'image': spec['input']}
        modules = {}
        with torch.no_grad():
            for node in spec['nodes']:
                shape = shapes[node['inputs'][0]]
                if node['op'] == 'conv2d':
                    modules[node['name']] = nn.Conv2d(shape[0], node['channels'], node['kernel'], node['stride'],
                                                      node['padding'], bias=node['bias'])
                elif node['op'] == 'batchNorm2d':
                    modules[node['name']] = nn.BatchNorm2d(shape[0], eps=node['epsilon'], momentum=node['momentum'])
                elif node['op'] == 'linear':
                    modules[node['name']] = nn.Linear(shape[0], node['features'], bias=node['bias'])
                inputs = [torch.zeros([2] + list(shapes[name])) for name in node['inputs']]
                shapes[node['name']] = list(self.apply_node(node, modules.get(node['name']), inputs).shape[1:])
        for name, module in modules.items():
            self.attach(name.split('.'), module)

    def attach(self, path, module):
        """A dot in a node's name is a level of modules, as in PyTorch's own names."""
        parent = self
        for part in path[:-1]:
            if not hasattr(parent, part):
                parent.add_module(part, nn.Module())
            parent = getattr(parent, part)
        parent.add_module(path[-1], module)

    def module_named(self, name):
        parent = self
        for part in name.split('.'):
            parent = getattr(parent, part, None)
        return parent

    @staticmethod
    def apply_node(node, module, inputs):
        x, op = inputs[0], node['op']
        if module is not None:
            return module(x)
        if op == 'normalize':
            mean, std = (torch.tensor(node[key], dtype=torch.float64).to(x.dtype).view(-1, 1, 1) for key in ('mean', 'std'))
            return (x - mean) / std
        if op == 'relu':
            return F.relu(x)
        if op == 'maxPool2d':
            return F.max_pool2d(x, node['kernel'], node['stride'])
        if op == 'averagePool2d':
            return F.avg_pool2d(x, node['kernel'], node['stride'])
        if op == 'flatten':
            return x.flatten(1)
        if op == 'add':
            return inputs[0] + inputs[1]
        raise ValueError(f'unknown operation {op}')

    def forward(self, images):
        values = {'image': images}
        for node in self.spec['nodes']:
            inputs = [values[name] for name in node['inputs']]
            values[node['name']] = self.apply_node(node, self.module_named(node['name']), inputs)
        return values[self.spec['nodes'][-1]['name']]


def pgd(model, images, labels, start, settings):
    model.eval()
    moved, epsilon = start.clone(), settings['epsilon']
    for _ in range(settings['steps']):
        moved.requires_grad_()
        gradient, = torch.autograd.grad(F.cross_entropy(model(moved), labels, reduction='sum'), moved)
        moved = moved.detach() + settings['stepSize'] * gradient.sign()
        moved = torch.max(torch.min(moved, images + epsilon), images - epsilon).clamp(0, 1)
    return moved


def ten_steps(model, optimiser, images, labels):
    model.train()
    for _ in range(10):
        optimiser.zero_grad()
        F.cross_entropy(model(images), labels).backward()
        optimiser.step()
    return dict(model.named_parameters())


metadata, tensors = read(sys.argv[1])
spec, settings = json.loads(metadata['spec']), json.loads(metadata['settings'])
images, labels, start = tensors.pop('images'), tensors.pop('labels').long(), tensors.pop('start')
# Coppice computes channels last; in fp32 another layout rounds differently, flips a few ReLUs and pooling winners, and
# moves VGG16's gradients by a per cent in PyTorch itself.
images, start = (t.contiguous(memory_format=torch.channels_last) for t in (images, start))
model = Network(spec).to(images.dtype).to(memory_format=torch.channels_last)
missing, unexpected = model.load_state_dict(tensors, strict=False)
assert not unexpected and all(name.endswith('num_batches_tracked') for name in missing), (missing, unexpected)

out = {}
model.eval()
with torch.no_grad():
    out['logits'] = model(images)
adversarial = pgd(copy.deepcopy(model), images, labels, start, settings['attack'])
with torch.no_grad():
    out['adversarial'] = adversarial
    out['adversarial_loss'] = F.cross_entropy(model(adversarial), labels).view(1)

first = copy.deepcopy(model).train()
loss = F.cross_entropy(first(images), labels)
loss.backward()
out['loss'] = loss.view(1)
for name, parameter in first.named_parameters():
    out['gradient.' + name] = parameter.grad

s = settings['sgd']
trained = copy.deepcopy(model)
sgd = torch.optim.SGD(trained.parameters(), lr=s['learningRate'], momentum=s['momentum'], weight_decay=s['weightDecay'],
                      nesterov=s['nesterov'])
for name, parameter in ten_steps(trained, sgd, images, labels).items():
    out['sgd.' + name] = parameter
trained.eval()
with torch.no_grad():
    out['trained_logits'] = trained(images)

s = settings['adam']
trained = copy.deepcopy(model)
adam = torch.optim.Adam(trained.parameters(), lr=s['learningRate'], weight_decay=s['weightDecay'])
for name, parameter in ten_steps(trained, adam, images, labels).items():
    out['adam.' + name] = parameter
write(sys.argv[2], out)
