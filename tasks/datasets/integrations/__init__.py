"""Latents in the data pipelines of other libraries, none of which is imported before it is used.

In reading order: `latent_decoder` (.lcn files -> normalised latents, one or a batch; all others use it), `web_shards`
(`webdataset`), `hugging_face` (`datasets`), `litdata_items` (`litdata`).
"""
