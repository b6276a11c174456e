package testdb

import (
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// templateVersion changes when a data directory is to be made differently.
const templateVersion = 1

// templateFor returns a data directory of the engine, made once for each
// installation and user and kept in the temporary folder: making one takes
// seconds, copying one does not.
func templateFor(e *engine, bin binaries, as *account) (string, error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	key := fnv.New64a()
	fmt.Fprintln(key, templateVersion, bin.version, bin.server, bin.init, as)
	dir := filepath.Join(cache, fmt.Sprintf("%s-%x", strings.ToLower(e.name), key.Sum64()))
	lock, err := lockFile(dir + ".lock")
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	return dir, makeTemplate(e, bin, as, dir)
}

// makeTemplate makes the directory elsewhere and moves it when it is whole.
func makeTemplate(e *engine, bin binaries, as *account, dir string) (err error) {
	work, err := tempDir(as)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	argv := e.initialise(bin, filepath.Join(work, "data"))
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = work, serverEnv(work)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as.credential()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(argv, " "), err, out)
	}
	return os.Rename(filepath.Join(work, "data"), dir)
}

// cacheDir returns a folder that only this user can write to, for templates and
// locks, in the temporary folder.
func cacheDir() (string, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("lull-testdb-cache-%d", os.Geteuid()))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return "", fmt.Errorf("cache folder: %w", err)
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("cache folder: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != os.Geteuid() || info.Mode().Perm()&0o022 != 0 {
		return "", fmt.Errorf("cache folder: %s is not this user's own folder: remove it", dir)
	}
	return dir, nil
}

// lockFile takes an exclusive lock, which ends with the file's Close or with the
// process.
func lockFile(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	for {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return f, nil
}

// copyTree copies a folder with owners and modes.
func copyTree(from, to string) error {
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy data directory: %w: %s", err, out)
	}
	return nil
}
