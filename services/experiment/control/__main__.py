"""`bots` with one more posterior."""

from bots import main
from selector_api.core import posteriors
from services.experiment.control.counts import Counts

# Before anything reads it.
posteriors.PosteriorConfig = posteriors.PosteriorConfig | Counts

if __name__ == "__main__":
    main()
