"""`bots` with a third kind of posterior and a seventh policy: what two lines in the registries would add."""

from selector_api.core import policies, posteriors
from tests.kinds.band import Band
from tests.kinds.hardest import Hardest

# Before anything reads them.
posteriors.PosteriorConfig = posteriors.PosteriorConfig | Band
policies.Policy = policies.Policy | Hardest

if __name__ == "__main__":
    from bots import main

    main()
