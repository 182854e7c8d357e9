// Package hub makes trainers into packages that strangers can trust: it takes an
// uploaded package, proves it, and says what it found. It wires its rooms, which
// do not know each other: store (the database), blob (the bytes), submission (the
// way and the queue), catalog (what is published), login (who asks), api (the door) and page (for people).
//
// It promises that no submission is lost or done twice by a kill, a power loss or
// a second hub on the same database, and that a package's code never meets the
// hub's secrets in its environment. It leaves how a package is proven to
// trainers/kit, which `trainer-agent validate` uses as well.
package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/sync/errgroup"

	"github.com/vision-platform/trainer-agent/hub/api"
	"github.com/vision-platform/trainer-agent/hub/api/logins"
	"github.com/vision-platform/trainer-agent/hub/blob"
	"github.com/vision-platform/trainer-agent/hub/catalog"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/notify"
	"github.com/vision-platform/trainer-agent/hub/page"
	"github.com/vision-platform/trainer-agent/hub/store"
	"github.com/vision-platform/trainer-agent/hub/submission"
	"github.com/vision-platform/trainer-agent/hub/usage"
)

// Config is how a hub runs.
type Config struct {
	Addr        string          // host:port; port 0 picks a free one
	URL         string          // where people reach it; by default the address
	BehindProxy bool            // the only way here is a proxy, whose X-Forwarded-For says who asks
	DataDir     string          // packages unless Packages says otherwise, work, and the database unless Database does
	Packages    blob.Objects    // a bucket for packages; nil keeps them in DataDir
	Database    string          // postgres://…; empty means SQLite in DataDir
	MaxPackage  int64           // bytes
	KeepEnded   time.Duration   // how long packages are kept of submissions that ended without a version; 0 is for ever
	Stages      Stages          // the work of each state
	OIDC        *login.OIDC     // the login provider; nil for one-time links only
	Release     *Release        // how what was proven is published; nil means that it is not
	Platform    *url.URL        // that the callbacks of jobs are passed on to; nil for none
	Webhook     *notify.Webhook // that hears how submissions end; nil for none
	Log         *slog.Logger
}

// Operator is the user that the printed link is for, and in whose name trainer-hub's commands act.
const Operator = "operator"

// Hub is a hub that was opened.
type Hub struct {
	config        Config
	lock          *flock.Flock
	listener      net.Listener
	db            *store.DB
	packages      blob.Store
	desk          *submission.Desk
	catalog       *catalog.Catalog
	notifications *notify.Notifications
	trainings     *usage.Trainings
	users         *login.Users
	stages        Stages
}

// Open takes the data folder and the address, and opens the database.
func Open(ctx context.Context, config Config) (h *Hub, err error) {
	h = &Hub{config: config}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.Close())
		}
	}()
	if err := h.takeFolder(); err != nil {
		return h, err
	}
	if h.db, err = OpenDatabase(ctx, config.DataDir, config.Database); err != nil {
		return h, err
	}
	if h.packages, err = config.packages(ctx); err != nil {
		return h, err
	}
	h.desk = submission.New(h.db, time.Now)
	h.catalog = catalog.New(h.db, time.Now, h.desk.Bell.Ring)
	h.users, h.notifications = login.New(h.db, time.Now), notify.New(h.db, time.Now)
	h.trainings = usage.New(h.db, time.Now, h.released)
	h.desk.Intake.Keep = config.KeepEnded
	if config.Database == "" { // whoever had a lease of this folder's database, or brought a package, is gone
		if err := errors.Join(h.desk.Queue.Forget(ctx), h.desk.Expiry.Abandoned(ctx, true)); err != nil {
			return h, err
		}
	}
	if h.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", config.Addr); err != nil {
		return h, fmt.Errorf("listening on %s: %w", config.Addr, err)
	}
	if h.config.URL == "" {
		h.config.URL = "http://" + h.listener.Addr().String()
	}
	h.askProvider(ctx)
	return h, h.openRelease()
}

// askProvider tells the login provider where the hub is, and looks whether it is there.
// A hub without it still serves tokens, and asks again at each login.
func (h *Hub) askProvider(ctx context.Context) {
	if h.config.OIDC == nil {
		return
	}
	h.config.OIDC.Redirect = h.config.URL + logins.CallbackPath
	if err := h.config.OIDC.Discover(ctx); err != nil {
		h.config.Log.Error("nobody can log in by the provider now", "error", err)
	}
}

// OpenDatabase opens the database of an address, or that of a data folder, which
// is made when it is not there.
func OpenDatabase(ctx context.Context, dir, address string) (*store.DB, error) {
	if address != "" {
		return store.Open(ctx, address)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	return store.Open(ctx, filepath.Join(dir, "hub.db"))
}

// takeFolder makes the data folder, locks it against a second hub, and removes
// what a killed one was working on.
func (h *Hub) takeFolder() error {
	if err := os.MkdirAll(h.config.DataDir, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	h.lock = flock.New(filepath.Join(h.config.DataDir, "lock"))
	switch held, err := h.lock.TryLock(); {
	case err != nil:
		return fmt.Errorf("locking the data folder: %w", err)
	case !held:
		return fmt.Errorf("another hub runs on %s: stop it, or give this one a --data-dir of its own", h.config.DataDir)
	}
	if err := remove(h.workDir()); err != nil {
		return fmt.Errorf("clearing what a killed hub left: %w", err)
	}
	return os.MkdirAll(h.workDir(), 0o700)
}

func (h *Hub) workDir() string { return filepath.Join(h.config.DataDir, "work") }

// URL is where people reach the hub.
func (h *Hub) URL() string { return h.config.URL }

// Link is a one-time address that logs the operator in, "" where others than this machine's
// people reach the hub: what is printed on a server is kept in logs.
func (h *Hub) Link(ctx context.Context) (string, error) {
	if h.config.BehindProxy || !h.local() {
		return "", nil
	}
	id, err := h.users.Ensure(ctx, Operator, login.Operator)
	if err != nil {
		return "", err
	}
	code, err := h.users.Link(ctx, id)
	return h.config.URL + "/login?code=" + code, err
}

// local says that the hub is for this machine: it listens on loopback, and so do people reach it.
func (h *Hub) local() bool {
	at, err := url.Parse(h.config.URL)
	if err != nil {
		return false
	}
	address, ok := h.listener.Addr().(*net.TCPAddr)
	ip := net.ParseIP(at.Hostname())
	return ok && address.IP.IsLoopback() && (at.Hostname() == "localhost" || ip.IsLoopback())
}

// Serve works and answers until ctx ends. What is being proven then is begun
// again by the next hub.
func (h *Hub) Serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	server := &http.Server{
		Handler: (&api.API{
			Submissions: h.desk, Catalog: h.catalog, Packages: h.packages, Users: h.users, MaxPackage: h.config.MaxPackage, URL: h.config.URL, BehindProxy: h.config.BehindProxy,
			Ready: h.ready, Audit: h.db, Page: page.Handler(), OIDC: h.config.OIDC, Publishes: h.stages.publish(), Log: h.config.Log,
			Notifications: h.notifications, Trainings: h.trainings, Platform: h.config.Platform, Registry: h.config.Release.registry(), Key: h.config.Release.key(),
		}).Handler(ctx),
		// Uploads and streams set deadlines of their own.
		ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(h.config.Log.Handler(), slog.LevelDebug),
	}
	group.Go(func() error {
		if err := server.Serve(h.listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serving: %w", err)
		}
		return nil
	})
	group.Go(func() error {
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		if err := server.Shutdown(stop); err != nil {
			return server.Close() // an upload that does not end is broken off
		}
		return nil
	})
	group.Go(func() error { h.worker().run(ctx); return nil })
	group.Go(func() error { h.sweeper().run(ctx); return nil })
	if post := h.signpost(); post != nil {
		group.Go(func() error { post.run(ctx); return nil })
	}
	if h.config.Webhook != nil {
		group.Go(func() error {
			h.notifications.Sender(*h.config.Webhook, h.config.Log).Run(ctx, h.desk.Bell.Changed)
			return nil
		})
	}
	return group.Wait()
}

// Sweep removes packages that nobody can need any longer, as a hub that serves does every hour.
func (h *Hub) Sweep(ctx context.Context) error { return h.sweeper().sweep(ctx) }

// ready says why an upload could not be taken now.
func (h *Hub) ready(ctx context.Context) error {
	if err := h.db.PingContext(ctx); err != nil {
		return errors.New("the database cannot be reached")
	}
	if err := h.packages.Ready(ctx); err != nil {
		h.config.Log.Error("no package could be kept now", "error", err)
		return blob.ErrAway
	}
	return nil
}

// Close gives everything back.
func (h *Hub) Close() (err error) {
	if h.listener != nil {
		if closed := h.listener.Close(); !errors.Is(closed, net.ErrClosed) {
			err = closed
		}
	}
	if h.db != nil {
		err = errors.Join(err, h.db.Close())
	}
	if h.lock != nil {
		err = errors.Join(err, h.lock.Close())
	}
	return err
}
