/** Why an ONNX file cannot be imported, as a sentence about "it"; the caller knows the file. */
export class OnnxError extends Error {}
