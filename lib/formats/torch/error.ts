/** Why a file of PyTorch cannot be imported, as a sentence about "it"; the caller knows the file. */
export class TorchFileError extends Error {}
