package testdb

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// account is whom a server runs as. nil is the user of the test process.
type account struct{ uid, gid uint32 }

// accountFor returns the first of the named accounts that exists, or nil if the
// process is not root's and so cannot choose.
func accountFor(names []string) *account {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, name := range append(names, "nobody") {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
		gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
		if errUID == nil && errGID == nil && uid != 0 {
			return &account{uid: uint32(uid), gid: uint32(gid)}
		}
	}
	return &account{uid: 65534, gid: 65534}
}

func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own gives the file or folder to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}

// tempDir makes a fresh folder that the account owns.
func tempDir(a *account) (string, error) {
	dir, err := os.MkdirTemp("", "lull-testdb-")
	if err != nil {
		return "", fmt.Errorf("temporary folder: %w", err)
	}
	return dir, a.own(dir)
}
