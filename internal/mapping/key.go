package mapping

import "fmt"

// CheckKey returns the error that Tuple would for a key of which Match says that it is the
// table's, without making the tuple. It allocates nothing for a key that is well.
func (t *Table) CheckKey(key []byte) error {
	if t.Generic() {
		return nil
	}
	text := view(key)
	if len(t.Key) == 1 {
		tuple, _ := t.guessTuple(text)
		return t.Key[0].canonical(tuple)
	}
	var at spans
	if !t.pattern.match(text, &at) {
		return fmt.Errorf("%s: key %s does not match %q", t.Name, shorten(text), t.Spec.Key)
	}
	for i := range t.Key {
		if err := t.Key[i].canonical(text[at[i].from:at[i].to]); err != nil {
			return err
		}
	}
	return nil
}

// CheckMember is CheckKey for a set's or sorted set's member.
func (t *Table) CheckMember(member []byte) error { return t.Row[0].canonical(view(member)) }
