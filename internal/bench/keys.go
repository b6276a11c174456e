package bench

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// chooser picks keys from 0 to keys-1. It belongs to one goroutine.
type chooser struct {
	rng    *rand.Rand
	zipf   *rand.Zipf // nil: uniform
	keys   int64
	stride int64 // spreads the frequent keys over all: else they would be neighbours in SQL
}

// newChooser makes the chooser of one client. The same client picks the same keys in
// every run.
func newChooser(o *Options, client int) *chooser {
	c := &chooser{rng: rand.New(rand.NewPCG(o.Seed, uint64(client))), keys: o.Keys, stride: strideOf(o.Keys)}
	if s, _ := parseSkew(o.Skew); s > 0 {
		c.zipf = rand.NewZipf(c.rng, s, 1, uint64(o.Keys-1))
	}
	return c
}

func (c *chooser) next() int64 {
	if c.zipf == nil {
		return c.rng.Int64N(c.keys)
	}
	return int64(c.zipf.Uint64()) * c.stride % c.keys
}

// strideOf is a number that has no divisor in common with keys, so that multiples of
// it meet every key once.
func strideOf(keys int64) int64 {
	for s := int64(7_368_787); ; s += 2 {
		if gcd(s, keys) == 1 {
			return s
		}
	}
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// parseSkew reads "uniform", which is 0, and "zipf:1.1".
func parseSkew(text string) (s float64, err error) {
	if text == "uniform" {
		return 0, nil
	}
	number, ok := strings.CutPrefix(text, "zipf:")
	if ok {
		s, err = strconv.ParseFloat(number, 64)
	}
	if !ok || err != nil || s <= 1 || s > 10 {
		return 0, fmt.Errorf("skew %q: want uniform, or zipf:1.1 with a number above 1 and up to 10", text)
	}
	return s, nil
}
