package sqlsink

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/lullcache/lull/value"
)

// encodeRow returns columns as a JSON object in their order: numbers as numbers (a
// float always with a point or an exponent), text as strings, bytes that are not
// UTF-8 as {"b64": "…"}, infinities and NaN as {"float": "…"}.
func encodeRow(names []string, vals []value.Value) string {
	dst := []byte{'{'}
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(appendString(dst, name), ": "...)
		dst = appendValue(dst, vals[i])
	}
	return string(append(dst, '}'))
}

func appendValue(dst []byte, v value.Value) []byte {
	switch v.Kind() {
	case value.Null:
		return append(dst, "null"...)
	case value.Int:
		return v.AppendText(dst)
	case value.Float:
		f, _ := v.Float()
		if math.IsInf(f, 0) || math.IsNaN(f) {
			return append(appendString(append(dst, `{"float": `...), v.String()), '}')
		}
		from := len(dst)
		dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
		if !bytes.ContainsAny(dst[from:], ".e") {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	if s := v.String(); utf8.ValidString(s) {
		return appendString(dst, s)
	}
	text := base64.StdEncoding.EncodeToString([]byte(v.String()))
	return append(appendString(append(dst, `{"b64": `...), text), '}')
}

func appendString(dst []byte, s string) []byte {
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string cannot fail
	return append(dst, bytes.TrimRight(buf.Bytes(), "\n")...)
}

// decodeRow is the reverse of encodeRow.
func decodeRow(text string) (names []string, vals []value.Value, err error) {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, nil, fmt.Errorf("want a JSON object, got %.40q", text)
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		name, _ := t.(string)
		v, err := decodeValue(d)
		if err != nil {
			return nil, nil, fmt.Errorf("column %s: %w", name, err)
		}
		names, vals = append(names, name), append(vals, v)
	}
	_, err = d.Token()
	return names, vals, err
}

func decodeValue(d *json.Decoder) (value.Value, error) {
	t, err := d.Token()
	if err != nil {
		return value.Value{}, err
	}
	switch x := t.(type) {
	case nil:
		return value.Value{}, nil
	case string:
		return value.OfString(x), nil
	case json.Number:
		if !strings.ContainsAny(x.String(), ".eE") {
			n, err := x.Int64()
			return value.OfInt(n), err
		}
		f, err := x.Float64()
		return value.OfFloat(f), err
	}
	if t != json.Delim('{') {
		return value.Value{}, fmt.Errorf("want a value, got %v", t)
	}
	return decodeTagged(d)
}

func decodeTagged(d *json.Decoder) (value.Value, error) {
	var parts [2]string
	for i := range parts {
		t, err := d.Token()
		if err != nil {
			return value.Value{}, err
		}
		parts[i], _ = t.(string)
	}
	if _, err := d.Token(); err != nil {
		return value.Value{}, err
	}
	switch parts[0] {
	case "b64":
		b, err := base64.StdEncoding.DecodeString(parts[1])
		return value.OfBytes(b), err
	case "float":
		f, err := strconv.ParseFloat(parts[1], 64)
		return value.OfFloat(f), err
	}
	return value.Value{}, errors.New(`want "b64" or "float", got ` + strconv.Quote(parts[0]))
}
