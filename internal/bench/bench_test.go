package bench

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestHistogramKnowsPercentilesToASixtyFourth(t *testing.T) {
	var h histogram
	var all []time.Duration
	rng := rand.New(rand.NewPCG(1, 1))
	for range 10_000 {
		d := time.Duration(rng.ExpFloat64() * float64(time.Millisecond))
		all = append(all, d)
		h.add(d, 1)
	}
	slices.Sort(all)
	for _, share := range []float64{0.5, 0.9, 0.99, 0.999, 1} {
		want := all[int(share*float64(len(all)))-1]
		if got := h.at(share); got < want || got > want+want/64+1 {
			t.Errorf("at(%v) is %v, wanted %v or up to 1/64 more", share, got, want)
		}
	}
	for i := range bucketOf(1 << 62) {
		if end := bucketEnd(i); bucketOf(end) != i || bucketOf(end+1) != i+1 {
			t.Fatalf("bucket %d does not end at %d", i, end)
		}
	}
}

func TestStrideMeetsEveryKeyOnce(t *testing.T) {
	for _, keys := range []int64{1, 2, 500, 7919, 10_000, 7_368_787} {
		met, stride := make([]bool, keys), strideOf(keys)
		for i := range keys {
			met[i*stride%keys] = true
		}
		if slices.Contains(met, false) {
			t.Errorf("%d keys: some are never met", keys)
		}
	}
}

func TestOptionsComplainOfEverythingAtOnce(t *testing.T) {
	o := Options{Workload: "none", Clients: -1, Skew: "zipf:1", Duration: time.Millisecond, Against: []string{"nobody"}}
	err := o.Complete()
	for _, want := range []string{"database", `workload "none"`, "clients: -1", `skew "zipf:1"`, "duration: 1ms", `against "nobody"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not speak of %s", err, want)
		}
	}
}

func TestCheckAllowsWhatMayBeInAndNoMore(t *testing.T) {
	for _, c := range []struct {
		check Check
		ok    bool
	}{
		{Check{Want: 5, Have: 5}, true}, {Check{Want: 5, Have: 4, Slack: 9}, false}, {Check{Want: 5, Have: 6}, false},
		{Check{Want: 5, Have: 7, Slack: 2}, true}, {Check{Want: 5, Have: 8, Slack: 2}, false},
	} {
		if c.check.OK() != c.ok {
			t.Errorf("%+v: OK is %v", c.check, !c.ok)
		}
	}
}
