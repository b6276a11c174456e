package testdb

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/go-sql-driver/mysql"
)

var mariadb = &engine{
	name:      "MariaDB",
	packages:  "MariaDB's server (Debian, Ubuntu, Fedora: mariadb-server; Alpine: mariadb; Homebrew: mariadb)",
	servers:   []string{"mariadbd", "mysqld"},
	signature: "MariaDB",
	inits:     []string{"mariadb-install-db", "mysql_install_db"},
	dirs: []string{"/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/bin", "/usr/local/bin",
		"/opt/homebrew/opt/mariadb*/bin", "/usr/local/opt/mariadb*/bin", "/usr/local/mysql/bin", "/usr/local/mariadb/bin"},
	accounts:      []string{"mysql"},
	firstDatabase: "mysql",
	graceful:      syscall.SIGTERM,
	immediate:     syscall.SIGKILL,
	initialise: func(b binaries, data string) []string {
		return []string{b.init, "--no-defaults", "--datadir=" + data, "--auth-root-authentication-method=normal", "--skip-test-db",
			"--skip-name-resolve", "--innodb-log-file-size=32M", "--innodb-use-native-aio=0"}
	},
	prepare: mariadbPrepare,
	argv:    mariadbArgv,
	setting: func(name, value string) []string {
		return []string{"--" + name + "=" + value}
	},
	url: func(s *Server, database string) string {
		return fmt.Sprintf("mysql://%s@%s/%s", userName, s.Addr(), database)
	},
	ping: func(ctx context.Context, s *Server) error { return mariadbExec(ctx, s, "SELECT 1") },
	create: func(ctx context.Context, s *Server, database string) error {
		return mariadbExec(ctx, s, "CREATE DATABASE "+database)
	},
	drop: func(ctx context.Context, s *Server, database string) error {
		return mariadbExec(ctx, s, "DROP DATABASE "+database)
	},
}

// mariadbUsers makes the tests' user at every start.
const mariadbUsers = `CREATE USER IF NOT EXISTS ` + userName + `@'%';
GRANT ALL PRIVILEGES ON *.* TO ` + userName + `@'%' WITH GRANT OPTION;
`

func mariadbPrepare(s *Server) error {
	path := filepath.Join(s.dir, "users.sql")
	if err := os.WriteFile(path, []byte(mariadbUsers), 0o600); err != nil {
		return err
	}
	return s.account.own(path)
}

func mariadbArgv(s *Server) []string {
	syncing := []string{"--innodb-flush-log-at-trx-commit=1"}
	if !s.options.Durable { // to the page cache: survives Kill
		syncing = []string{"--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=nosync", "--debug-no-sync", "--skip-sync-frm"}
	}
	return append([]string{s.bin.server, "--no-defaults", "--datadir=" + filepath.Join(s.dir, "data"),
		"--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", s.port.number), "--socket=" + filepath.Join(s.dir, "socket"),
		"--pid-file=" + filepath.Join(s.dir, "pid"), "--init-file=" + filepath.Join(s.dir, "users.sql"),
		"--character-set-server=utf8mb4", "--skip-name-resolve", "--skip-log-bin", "--max-connections=200",
		"--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--innodb-use-native-aio=0", "--default-time-zone=+00:00"}, syncing...)
}

func mariadbExec(ctx context.Context, s *Server, statement string) error {
	cfg := mysql.NewConfig()
	cfg.User, cfg.Net, cfg.Addr = userName, "tcp", s.Addr()
	cfg.Params = map[string]string{"foreign_key_checks": "0"} // a database may be dropped before one that refers to it
	cfg.Logger = &mysql.NopLogger{}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	_, err = db.ExecContext(ctx, statement)
	return err
}
