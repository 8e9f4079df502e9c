"""A network in PyTorch, from what Coppice exported: state.py MODULE.py STATE IMAGES SHAPE OUTPUT.

Loads the module and its state dict (.pth or .safetensors), strictly; writes the logits of the images (raw float32), and
the state dict again, as torch.save does, to OUTPUT.pth.
"""
import importlib.util
import json
import struct
import sys

import torch

module, state, images, shape, output = sys.argv[1:]


def read_safetensors(path):
    with open(path, 'rb') as file:
        header = json.loads(file.read(struct.unpack('<Q', file.read(8))[0]))
        data = bytearray(file.read())
    header.pop('__metadata__', None)
    types = {'F32': torch.float32, 'F64': torch.float64, 'I64': torch.int64}
    return {
        name: torch.frombuffer(data[slice(*entry['data_offsets'])], dtype=types[entry['dtype']]).reshape(entry['shape'])
        for name, entry in header.items()}


spec = importlib.util.spec_from_file_location('exported', module)
exported = importlib.util.module_from_spec(spec)
spec.loader.exec_module(exported)
network = exported.Network()
weights = read_safetensors(state) if state.endswith('.safetensors') else torch.load(state, weights_only=True)
if any(tensor.dtype == torch.float64 for tensor in weights.values()):
    network.double()
network.load_state_dict(weights, strict=True)
network.eval()
dtype = next(network.parameters()).dtype
pixels = torch.frombuffer(bytearray(open(images, 'rb').read()), dtype=torch.float32).reshape(-1, *map(int, shape.split(',')))
with torch.no_grad():
    logits = torch.cat([network(batch.to(dtype)) for batch in pixels.split(50)])
with open(output, 'wb') as file:
    file.write(logits.float().numpy().tobytes())
torch.save(network.state_dict(), output + '.pth')
