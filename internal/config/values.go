package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// A reader reads one setting's value from n into where the setting lives, or
// complains.
type reader func(d *decoder, n *yaml.Node, where string)

// scalar makes a reader of a function that parses a single word. It returns what is
// wrong with the word and what to write.
func scalar(parse func(s string) (what, remedy string)) reader {
	return func(d *decoder, n *yaml.Node, where string) {
		if n.Kind != yaml.ScalarNode {
			d.complain(n, where, "is not a single value", "")
			return
		}
		if n.Tag == "!!null" {
			d.complain(n, where, "has no value", "write one, or leave the setting out")
			return
		}
		if what, remedy := parse(n.Value); what != "" {
			d.complain(n, where, what, remedy)
		}
	}
}

func text(to *string) reader {
	return scalar(func(s string) (string, string) {
		*to = s
		return "", ""
	})
}

// secret is a text in which ${NAME} stands for the environment's variable, and $${
// for ${ itself.
func (d *decoder) secret(to *string) reader {
	return scalar(func(s string) (what, remedy string) {
		*to, what = expand(s, d.env)
		return what, "set it, or write the value here"
	})
}

func expand(s string, env func(string) (string, bool)) (out, bad string) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, "${")
		if !found {
			b.WriteString(s)
			return b.String(), ""
		}
		if escaped, ok := strings.CutSuffix(before, "$"); ok {
			b.WriteString(escaped + "${")
			s = rest
			continue
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", "has a ${ without its }"
		}
		value, ok := env(name)
		if !ok {
			return "", fmt.Sprintf("the environment has no variable %s", name)
		}
		b.WriteString(before + value)
		s = after
	}
}

func truth(to *bool) reader {
	return scalar(func(s string) (string, string) {
		switch s {
		case "true", "yes", "on":
			*to = true
		case "false", "no", "off":
			*to = false
		default:
			return fmt.Sprintf("%q is not a truth value", s), "write true or false"
		}
		return "", ""
	})
}

func count(to *int64) reader {
	return scalar(func(s string) (string, string) {
		n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
		if err != nil || n < 0 {
			return fmt.Sprintf("%q is not a whole number", s), "write digits, as in 10000"
		}
		*to = n
		return "", ""
	})
}

func number(to *int) reader {
	return func(d *decoder, n *yaml.Node, where string) {
		var v int64
		count(&v)(d, n, where)
		*to = int(v)
	}
}

func duration(to *time.Duration) reader {
	var set bool
	return optionalDuration(to, &set)
}

func optionalDuration(to *time.Duration, set *bool) reader {
	return scalar(func(s string) (string, string) {
		t, err := parseDuration(s)
		if err != nil {
			return fmt.Sprintf("%q is not a duration", s), "write a number with a unit, as in 50ms, 1s, 15m, 2h or 7d"
		}
		*to, *set = t, true
		return "", ""
	})
}

// parseDuration is time.ParseDuration with days, which must stand alone.
func parseDuration(s string) (time.Duration, error) {
	days, ok := strings.CutSuffix(s, "d")
	if !ok {
		t, err := time.ParseDuration(s)
		if err == nil && t < 0 {
			err = strconv.ErrRange
		}
		return t, err
	}
	const daysMax = 100 * 365
	n, err := strconv.ParseUint(days, 10, 32)
	if err == nil && n > daysMax {
		err = strconv.ErrRange
	}
	return time.Duration(n) * 24 * time.Hour, err
}

var units = []struct {
	name  string
	bytes float64
}{
	{"kib", kib}, {"mib", mib}, {"gib", gib}, {"tib", 1 << 40}, {"kb", 1e3}, {"mb", 1e6}, {"gb", 1e9}, {"tb", 1e12}, {"b", 1}, {"", 1},
}

// size reads bytes: a number, or one with B, KB, MB, GB, TB (powers of 1,000) or
// KiB, MiB, GiB, TiB (powers of 1,024).
func size(to *int64) reader {
	return scalar(func(s string) (string, string) {
		n, ok := parseSize(s)
		if !ok {
			return fmt.Sprintf("%q is not a size", s), "write a number with a unit, as in 64MB or 1GiB"
		}
		*to = n
		return "", ""
	})
}

func parseSize(s string) (int64, bool) {
	lower := strings.ToLower(s)
	for _, u := range units {
		digits, ok := strings.CutSuffix(lower, u.name)
		if !ok {
			continue
		}
		digits = strings.TrimSpace(digits)
		if strings.Trim(digits, "0123456789.") != "" {
			return 0, false
		}
		n, err := strconv.ParseFloat(digits, 64)
		n *= u.bytes
		return int64(n), err == nil && n == math.Trunc(n) && n < math.MaxInt64
	}
	return 0, false
}

// textList takes one word, or a list of words.
func textList(to *[]string) reader {
	return func(d *decoder, n *yaml.Node, where string) {
		items := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			items = n.Content
		}
		for _, item := range items {
			var s string
			text(&s)(d, followed(item), where)
			*to = append(*to, s)
		}
	}
}

func textMap(to *map[string]string) reader {
	return func(d *decoder, n *yaml.Node, where string) {
		*to = map[string]string{}
		d.entries(n, where, func(key, n *yaml.Node) {
			var s string
			text(&s)(d, n, join(where, key.Value))
			(*to)[key.Value] = s
		})
	}
}
