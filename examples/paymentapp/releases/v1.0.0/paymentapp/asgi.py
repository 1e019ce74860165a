"""The application for any ASGI server, set up from the environment: `uvicorn paymentapp.asgi:app`."""

from paymentapp.app import App
from paymentapp.settings import from_environment

app = App(from_environment())
