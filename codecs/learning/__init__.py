"""What training of codec parts needs; torch, numpy and safetensors only, where the extension is not built, but for
`context_networks`.

In reading order: `tensor_wavelet` (packets of tensors), `tensor_encoder` (the transform of a model, differentiable),
`context_rate` (bits under learned contexts), `learner` (what a part that is learned has to say), `transform_learner`,
`synthesis_learner`; `context_networks` (those of profile best, which `fitting.subband_fitting` trains).
"""
