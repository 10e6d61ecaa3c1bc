"""The adapters library (1.2.0, github.com/adapter-hub/adapters at 88f18eb) beside today's packages.

Put its src/ on PYTHONPATH, and transformers 4.57.6 with tokenizers 0.22 and requests before newer ones. That
transformers asks for huggingface-hub below 1.0, of which the library needs one name that it does not use here.
"""

import importlib.metadata

VERSION = importlib.metadata.version
importlib.metadata.version = lambda name: (
    "0.36.0" if name.lower().replace("_", "-") == "huggingface-hub" else VERSION(name))

import huggingface_hub

if not hasattr(huggingface_hub, "HfFolder"):
    huggingface_hub.HfFolder = object

import adapters  # noqa: E402,F401
import transformers  # noqa: E402

assert adapters.__version__ == "1.2.0" and transformers.__version__.startswith("4.57."), "see above"
