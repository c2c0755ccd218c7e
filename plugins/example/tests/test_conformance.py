import rnd1lib
from rnd1lib.testing import conformance

test_the_schedule = conformance("noise", *(rnd1lib.build("noise", "exponential", rate=rate) for rate in (0.1, 2.0, 8.0)))
test_the_sampler = conformance("sampler", rnd1lib.build("sampler", "falling_floor"))
