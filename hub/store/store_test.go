package store_test

import (
	"database/sql"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func TestTransactionIsWholeOrNotThere(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		stop := errors.New("stop")
		err := db.Tx(t.Context(), func(tx *sql.Tx) error {
			if err := act(t, tx, "half"); err != nil {
				t.Fatal(err)
			}
			return stop
		})
		if !errors.Is(err, stop) {
			t.Fatalf("got %v", err)
		}
		if acts, err := db.VerifyAudit(t.Context()); acts != 0 || err != nil {
			t.Errorf("%d acts after a rollback, %v", acts, err)
		}
	})
}

func TestDuplicateIsRecognised(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		insert := func(id, name string) error {
			_, err := db.ExecContext(t.Context(), `INSERT INTO users (id, name, role, created) VALUES ($1, $2, 'author', 0)`, id, name)
			return err
		}
		if err := insert("1", "ann"); err != nil {
			t.Fatal(err)
		}
		for _, row := range [][2]string{{"1", "bob"}, {"2", "ann"}} {
			if err := insert(row[0], row[1]); !store.Duplicate(err) {
				t.Errorf("%v: got %v", row, err)
			}
		}
		if err := insert("3", "bob"); err != nil {
			t.Error(err)
		}
	})
}

// Many write at once, and no act is lost or out of its place.
func TestAuditIsOneChain(t *testing.T) {
	storetest.Engines(t, func(t *testing.T, db *store.DB) {
		const writers = 20
		failed := make(chan error, writers)
		for range writers {
			go func() {
				failed <- db.Tx(t.Context(), func(tx *sql.Tx) error { return act(t, tx, "upload") })
			}()
		}
		for done := 0; done < writers; {
			// Beside writers too the log is whole.
			if acts, err := db.VerifyAudit(t.Context()); err != nil {
				t.Errorf("%d acts, %v", acts, err)
			}
			select {
			case err := <-failed:
				if done++; err != nil {
					t.Error(err)
				}
			default:
			}
		}
		if acts, err := db.VerifyAudit(t.Context()); acts != writers || err != nil {
			t.Fatalf("%d acts, %v", acts, err)
		}
	})
}

func TestAuditShowsWhatWasChanged(t *testing.T) {
	for name, change := range map[string]string{
		"changed": `UPDATE audit SET actor = 'eve' WHERE seq = 2`,
		"removed": `DELETE FROM audit WHERE seq = 2`,
		"cut off": `DELETE FROM audit WHERE seq = 3`,
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Engines(t, func(t *testing.T, db *store.DB) {
				for range 3 {
					if err := db.Tx(t.Context(), func(tx *sql.Tx) error { return act(t, tx, "upload") }); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := db.ExecContext(t.Context(), change); err != nil {
					t.Fatal(err)
				}
				if _, err := db.VerifyAudit(t.Context()); err == nil {
					t.Error("nobody saw it")
				}
			})
		})
	}
}

func act(t *testing.T, tx *sql.Tx, action string) error {
	return store.Audit(t.Context(), tx, time.UnixMilli(1), store.Act{Actor: "ann", Action: action, Subject: "x", Detail: map[string]int{"n": 1}})
}
