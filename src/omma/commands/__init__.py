"""What the commands do, one module each. Importing one of them imports torch and transformers."""

from transformers.utils import logging

# Loading bars and advice of the libraries beneath would drown what a command says itself.
logging.set_verbosity_error()
logging.disable_progress_bar()
