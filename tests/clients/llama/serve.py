"""Serves a GGUF model with llama.cpp's own HTTP server: serve.py MODEL PORT."""

import signal
import sys

import xllamacpp


def main() -> None:
    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.hostnames = ["127.0.0.1"]
    params.port = int(sys.argv[2])
    params.n_ctx = 2048
    params.n_parallel = 1
    params.cpuparams.n_threads = 1
    params.warmup = False
    params.use_jinja = True
    server = xllamacpp.Server(params)
    print("serving", server.listening_address, flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
