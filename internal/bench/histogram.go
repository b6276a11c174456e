package bench

import (
	"math/bits"
	"time"
)

// subBuckets is into how many parts each power of two is divided, so that a latency
// is known to 1/64.
const (
	subBits    = 6
	subBuckets = 1 << subBits
)

// histogram counts durations in logarithmic buckets of linear parts, as HdrHistogram
// does. The zero histogram is ready. It belongs to one goroutine.
type histogram struct {
	counts [64 * subBuckets]uint64
	total  uint64
	max    time.Duration
}

func (h *histogram) add(d time.Duration, times uint64) {
	h.counts[bucketOf(d)] += times
	h.total += times
	h.max = max(h.max, d)
}

func (h *histogram) merge(other *histogram) {
	for i, n := range other.counts {
		h.counts[i] += n
	}
	h.total += other.total
	h.max = max(h.max, other.max)
}

// at returns the duration that a share of all does not exceed: at(0.99) is p99. 0 if
// there are none.
func (h *histogram) at(share float64) time.Duration {
	want := uint64(share*float64(h.total) + 0.5)
	seen := uint64(0)
	for i, n := range h.counts {
		if seen += n; n > 0 && seen >= want {
			return min(bucketEnd(i), h.max)
		}
	}
	return h.max
}

// bucketOf finds the bucket in nanoseconds: the power of two, and the bits after the
// highest one.
func bucketOf(d time.Duration) int {
	n := uint64(max(d, 0))
	if n < subBuckets {
		return int(n)
	}
	shift := bits.Len64(n) - subBits - 1
	return (shift+1)*subBuckets + int(n>>shift) - subBuckets
}

// bucketEnd is the longest duration in a bucket.
func bucketEnd(i int) time.Duration {
	if i < subBuckets {
		return time.Duration(i)
	}
	shift := i/subBuckets - 1
	return time.Duration((uint64(i%subBuckets+subBuckets)+1)<<shift - 1)
}
