package postgres

import (
	"errors"
	"testing"
)

func TestAFailedConnectionIsToldInOneLine(t *testing.T) {
	cause := errors.New("failed to connect to `user=a`:\n\t[::1]:5: refused\n\t[::1]:5: refused\n\t127.0.0.1:5: refused")
	err := &oneLine{cause}
	if got, want := err.Error(), "failed to connect to `user=a`: [::1]:5: refused; 127.0.0.1:5: refused"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, cause) {
		t.Error("the cause is lost")
	}
	if got := (&oneLine{errors.New("one")}).Error(); got != "one" {
		t.Errorf("got %q", got)
	}
}
