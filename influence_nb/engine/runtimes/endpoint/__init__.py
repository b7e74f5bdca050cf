"""Models on a server that speaks OpenAI's protocol: vLLM, llama.cpp's server, Ollama, transformers serve, and others.

`address` is where it is, `wire` one request and `events` the stream of its answer, `kinds` what each kind of server
takes, `refusals` what its errors mean, `reply` the text in the making, `discovery` what the server has, `model` all
of it as a `Model`.
"""
