"""Transformers: the user's code before and behind a model.

A transformer script has a class `Transformer`, built once without arguments, with `preprocess(inputs)` or
`postprocess(outputs)` or both, sync or async; or a KServe `Model` that overrides them and not `predict`.

`preprocess` gets the document that the caller sent and returns the one that the predictor gets; `postprocess` gets
the document that the predictor answered and returns the one that the caller gets. A question of tensors is the
document `{"instances": rows}`, but for a KServe `Model`, which gets an InferRequest and an InferResponse.

`loading` builds one, `front` stands it before the doors of a model. The model is the script's own, in the same
process, or `remote`: the predictors of the same revision, in processes of their own.
"""
