"""One trial of the baseline: lower bounds of the margins by auto_LiRPA.

usage: lirpa.py REQUEST   (JSON, as run.mjs makes it; prints one line of JSON)
  lirpa: folder of auto_LiRPA's checkout     model: a Coppice model file, whose spec is a chain
  images: safetensors file with `images` (pixels in [0,1]) and `labels`     count: how many of them
  method: interval | crownIbp | symbolic | crown     mode: patches | matrix     rows: most neurons in one pass, 0: all
  skip: whether neurons that interval bounds prove stable are skipped     epsilon, batch, repeats, threads, device
A pass bounds all images, batch after batch. The box is given in normalised space, which is the same box and spares
the library two operations.
"""
import json
import resource
import struct
import sys
import time
import warnings

import numpy
import torch
import torch.nn as nn

request = json.loads(sys.argv[1])
sys.path.insert(0, request['lirpa'])
warnings.simplefilter('ignore')
import auto_LiRPA  # noqa: E402

METHODS = {'interval': 'IBP', 'crownIbp': 'CROWN-IBP', 'symbolic': 'CROWN', 'crown': 'CROWN'}


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


def build(path):
    """The network without its normalisation, and that normalisation."""
    metadata, tensors = read_safetensors(path)
    spec = json.loads(metadata['spec'])
    mean, std, layers = 0.0, 1.0, []
    channels, height = spec['input'][0], spec['input'][1]
    for node in spec['nodes']:
        op = node['op']
        if op == 'normalize' and not layers:
            mean, std = (torch.tensor(node[key]).view(-1, 1, 1) for key in ('mean', 'std'))
        elif op == 'conv2d':
            layers.append(nn.Conv2d(channels, node['channels'], node['kernel'], node['stride'], node['padding'], bias=node['bias']))
            channels, height = node['channels'], (height + 2 * node['padding'] - node['kernel']) // node['stride'] + 1
        elif op == 'relu':
            layers.append(nn.ReLU())
        elif op == 'flatten':
            layers.append(nn.Flatten())
            channels *= height * height
        elif op == 'linear':
            layers.append(nn.Linear(channels, node['features'], bias=node['bias']))
            channels = node['features']
        else:
            sys.exit(f'{path}: the baseline has no {op} ("{node["name"]}")')
        with torch.no_grad():
            for kind in ('weight', 'bias'):
                if f'{node["name"]}.{kind}' in tensors:
                    getattr(layers[-1], kind).copy_(tensors[f'{node["name"]}.{kind}'])
    return nn.Sequential(*layers).eval(), mean, std, channels


def proc(file, key):
    with open(f'/proc/{file}') as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f'{key}:'))


device = request['device']
if device == 'cpu':
    # A setting that needs too much fails here, instead of taking the machine down with it.
    resource.setrlimit(resource.RLIMIT_AS, (int(0.6 * proc('meminfo', 'MemAvailable')),) * 2)
torch.set_num_threads(request['threads'])
net, mean, std, classes = build(request['model'])
_, case = read_safetensors(request['images'])
count, batch = request['count'], request['batch']
pixels, labels = case['images'][:count], case['labels'][:count].long()
assert len(pixels) == count, f'{len(pixels)} images where {count} are asked for'

options = {'conv_mode': request['mode'], 'sparse_intermediate_bounds': request['skip'],
           'sparse_conv_intermediate_bounds': request['skip']}
if request['method'] == 'symbolic':
    options['activation_bound_option'] = 'same-slope'
if request['rows']:
    options |= {'crown_batch_size': request['rows'], 'batched_crown_max_vram_ratio': 1.0}
bounded = auto_LiRPA.BoundedModule(net.to(device), torch.zeros(batch, *pixels.shape[1:], device=device), options, device=device)


def margins(start):
    """Margins of one batch, and the count of unstable neurons of each layer, summed over the batch."""
    x, y = pixels[start:start + batch], labels[start:start + batch]
    lower, upper = (((x + sign * request['epsilon']).clamp(0, 1) - mean) / std for sign in (-1, 1))
    box = auto_LiRPA.PerturbationLpNorm(norm=float('inf'), x_L=lower.to(device), x_U=upper.to(device))
    eye = torch.eye(classes)
    others = torch.tensor([[j for j in range(classes) if j != label] for label in y.tolist()])
    rows = (eye[y].unsqueeze(1) - eye[others]).to(device)
    found, _ = bounded.compute_bounds(x=(auto_LiRPA.BoundedTensor(((x - mean) / std).to(device), box),), C=rows,
                                      method=METHODS[request['method']], bound_upper=False)
    return found


def unstable():
    inputs = [relu.inputs[0] for relu in bounded.relus]
    return [((node.lower < 0) & (node.upper > 0)).sum().item() for node in inputs]


def wait():
    if device != 'cpu':
        torch.cuda.synchronize()


with torch.no_grad():
    baseline = proc('self/status', 'VmRSS')
    margins(0)
    wait()
    milliseconds = []
    for _ in range(request['repeats']):
        found, counts, seconds = [], [], 0.0
        for start in range(0, count, batch):
            started = time.perf_counter()
            result = margins(start)
            wait()
            seconds += time.perf_counter() - started
            found.append(result.cpu())
            counts.append(unstable())
        milliseconds.append(1000 * seconds / count)

peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if device == 'cpu' else torch.cuda.max_memory_allocated()
neurons = [relu.inputs[0].lower[0].numel() for relu in bounded.relus]
layers = [sum(column) / count for column in zip(*counts)]
print(json.dumps({
    'milliseconds': milliseconds, 'peakBytes': peak, 'baselineBytes': baseline if device == 'cpu' else 0,
    'margins': torch.cat(found).double().flatten().tolist(), 'unstableNeurons': layers, 'neurons': neurons,
    'unstable': sum(layers) / sum(neurons), 'torch': torch.__version__, 'version': auto_LiRPA.__version__}))
