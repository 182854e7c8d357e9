package hub_test

import (
	"context"
	"database/sql"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/store"
	"github.com/vision-platform/trainer-agent/hub"
	"github.com/vision-platform/trainer-agent/hub/login"
	"github.com/vision-platform/trainer-agent/hub/objects"
	"github.com/vision-platform/trainer-agent/hub/submission"
)

const packagesBucket = "hub-packages"

// bucket starts a real store; again starts it once more, where it was.
func bucket(t *testing.T) (server *store.Server, again func()) {
	t.Helper()
	config := store.Config{Dir: t.TempDir(), Buckets: []string{packagesBucket}}
	again = func() {
		t.Helper()
		at, err := store.Start(context.WithoutCancel(t.Context()), config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = at.Close() })
		server, config.Addr = at, at.Addr
	}
	again()
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": server.URL, "AWS_ACCESS_KEY_ID": server.AccessKey, "AWS_SECRET_ACCESS_KEY": server.SecretKey, "AWS_REGION": "", "AWS_PROFILE": ""} {
		t.Setenv(name, value)
	}
	return server, again
}

func inBucket(t *testing.T) *objects.Bucket {
	t.Helper()
	at, err := objects.OpenBucket(t.Context(), packagesBucket)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// kept are the packages in the bucket.
func kept(t *testing.T, server *store.Server) (keys []string) {
	t.Helper()
	list, err := server.Client().ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: aws.String(packagesBucket)})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Contents {
		if key := aws.ToString(o.Key); !strings.HasPrefix(key, "packages/hubs/") {
			keys = append(keys, key)
		}
	}
	return keys
}

// waits asks the database until a submission waits for what is away, and then has it looked for
// at once in place of after half a minute.
func (r running) waits(t *testing.T, id string) (hasten func()) {
	t.Helper()
	db, err := hub.OpenDatabase(t.Context(), r.config.DataDir, r.config.Database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	var text string
	for giveUp := time.Now().Add(time.Minute); text == ""; {
		err := db.QueryRowContext(t.Context(), `SELECT data FROM submission_events WHERE submission_id = $1 AND kind = 'fault'`, id).Scan(&text)
		if err != nil && err != sql.ErrNoRows || time.Now().After(giveUp) {
			t.Fatalf("it does not wait: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if !strings.Contains(text, "the store of packages cannot be reached") || strings.Contains(text, `"of"`) {
		t.Errorf("it hears %s", text)
	}
	return func() {
		if _, err := db.ExecContext(t.Context(), `UPDATE tasks SET run_at = 0 WHERE submission_id = $1`, id); err != nil {
			t.Fatal(err)
		}
	}
}

// While the store is away an upload is refused with a clear word and leaves nothing; once it is
// back the same upload is taken.
func TestStoreIsAwayAtAnUpload(t *testing.T) {
	server, again := bucket(t)
	r := start(t, hub.Config{Packages: inBucket(t)})
	ann := r.client(t, "ann")
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	form := []part{{"file", pack(t, capabilities("custom-yolo", "1.0.0"))}}
	if got := ann.upload(t, "?dry_run=true", form, "Idempotency-Key", "k"); got.status != 503 || got.header.Get("Retry-After") == "" || !strings.Contains(got.body, "store cannot be reached: nothing was changed") {
		t.Errorf("%+v", got)
	}
	if got := ann.ask(t, http.MethodGet, "/readyz"); got.status != 503 || !strings.Contains(got.body, "the store of packages cannot be reached") {
		t.Errorf("%+v", got)
	}
	if got := ann.ask(t, http.MethodGet, "/api/v1/trainers/validation"); got.status != 200 || strings.Contains(got.body, "custom-yolo") {
		t.Errorf("%+v", got)
	}
	left := 0
	_ = filepath.WalkDir(filepath.Join(r.config.DataDir, "copies"), func(_ string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			left++
		}
		return err
	})
	if left > 0 {
		t.Errorf("%d files are left", left)
	}
	again()
	if got := ann.ask(t, http.MethodGet, "/readyz"); got.status != 200 {
		t.Errorf("%+v", got)
	}
	id := ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true", "Idempotency-Key", "k")
	ann.follow(t, id)
	if v := ann.get(t, id); v.State != submission.Proven {
		t.Errorf("%+v", v)
	}
}

// What would be refused is not kept.
func TestRefusedUploadIsNotInTheBucket(t *testing.T) {
	server, _ := bucket(t)
	r := start(t, hub.Config{Packages: inBucket(t), Stages: hub.Stages{submission.Publishing: reporting()}})
	r.client(t, "ann").submit(t, "custom-yolo", "1.0.0", "")
	if got := r.client(t, "bob").upload(t, "", []part{{"file", pack(t, capabilities("custom-yolo", "2.0.0"))}}); got.status != 422 || !strings.Contains(got.body, "belongs to") {
		t.Errorf("%+v", got)
	}
	if keys := kept(t, server); len(keys) != 1 {
		t.Errorf("in the bucket: %v", keys)
	}
}

// The store goes away, and with it every copy, before the first state and before publishing: the
// submission waits, and goes on when it is back.
func TestStoreIsAwayDuringAValidation(t *testing.T) {
	for _, last := range []submission.State{submission.Received, submission.Testing} {
		t.Run("after "+string(last), func(t *testing.T) {
			server, again := bucket(t)
			config := hub.Config{DataDir: filepath.Join(t.TempDir(), "data"), Packages: inBucket(t)}
			copies := filepath.Join(config.DataDir, "copies")
			took := false
			config.Stages = hub.Stages{last: func(context.Context, *hub.Work) error {
				if took {
					return nil
				}
				took = true
				err := server.Close()
				for _, dir := range glob(copies, "??") {
					_ = os.RemoveAll(dir)
				}
				return err
			}, submission.Publishing: func(_ context.Context, w *hub.Work) error {
				w.Receipt = []byte(`{}`)
				_, err := os.Stat(w.File)
				return err
			}}
			r := start(t, config)
			ann := r.client(t, "ann")
			id := ann.submit(t, "custom-yolo", "1.0.0", "")
			hasten := r.waits(t, id)
			if v := ann.get(t, id); v.Status != "validating" || v.State != last.Next(false) {
				t.Errorf("%+v", v)
			}
			again()
			hasten()
			ann.follow(t, id)
			if v := ann.get(t, id); v.State != submission.Active || v.Attempt != 1 {
				t.Errorf("%+v", v)
			}
		})
	}
}

func glob(parts ...string) []string {
	found, _ := filepath.Glob(filepath.Join(parts...))
	return found
}

// killingBucket kills the hub on both sides of writing to the bucket.
type killingBucket struct {
	*objects.Bucket
	dir string
}

func (d killingBucket) PutFile(ctx context.Context, key string, file *os.File, sha256 string) error {
	die(d.dir, "put-begin")
	err := d.Bucket.PutFile(ctx, key, file, sha256)
	if err == nil {
		die(d.dir, "put-end")
	}
	return err
}

func (d killingBucket) Delete(ctx context.Context, key string) error {
	die(d.dir, "delete-begin")
	err := d.Bucket.Delete(ctx, key)
	if err == nil {
		die(d.dir, "delete-end")
	}
	return err
}

// The hub is killed when the package is staged, when the bucket has it and the database does not,
// and when both have it; each time it loses its copies too.
func TestKilledBetweenTheBucketAndTheDatabase(t *testing.T) {
	server, _ := bucket(t)
	dir, token := folder(t)
	if err := os.WriteFile(filepath.Join(dir, "bucket"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	places := []string{"put-begin", "put-end", "received-begin", "testing-end", "publishing-begin"}
	for i, place := range places {
		if err := os.WriteFile(filepath.Join(dir, place), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd, url := launch(t, dir)
		ann := client{url, token, http.DefaultClient}
		name := "trainer-" + string(rune('a'+i))
		kind, form := body(t, part{"file", pack(t, capabilities(name, "1.0.0"))})
		_, _ = ann.do(t.Context(), http.MethodPost, "/api/v1/trainers/upload", kind, form, "Idempotency-Key", name)
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("%s: %v", place, err)
		}
		if err := os.RemoveAll(filepath.Join(dir, "data", "copies")); err != nil {
			t.Fatal(err)
		}
		cmd, ann.url = launch(t, dir)
		once(t, ann, ann.submit(t, name, "1.0.0", "", "Idempotency-Key", name))
		kill(cmd)
		if keys := kept(t, server); len(keys) != i+1 {
			t.Errorf("%s: in the bucket are %v", place, keys)
		}
	}
	if left := glob(dir, "data", "copies", "incoming", "*"); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	whole(t, dir, len(places))
}

// A hub that is given a bucket does not pass over the packages that it has.
func TestPackagesOfBeforeTheBucketAreNotPassedOver(t *testing.T) {
	server, _ := bucket(t)
	config := hub.Config{DataDir: filepath.Join(t.TempDir(), "data")}
	t.Run("before", func(t *testing.T) {
		r := start(t, config)
		ann := r.client(t, "ann")
		ann.follow(t, ann.submit(t, "custom-yolo", "1.0.0", "?dry_run=true"))
	})
	config.Packages, config.Addr = inBucket(t), "127.0.0.1:0"
	h, err := hub.Open(t.Context(), config)
	if err == nil || !strings.Contains(err.Error(), "aws s3 mv --recursive") {
		t.Errorf("%v", err)
	}
	if h != nil {
		_ = h.Close()
	}
	// What the message says, done.
	packages := filepath.Join(config.DataDir, "packages")
	for _, file := range glob(packages, "??", "*.zip") {
		opened, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		at, _ := filepath.Rel(packages, file)
		_, err = server.Client().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String(packagesBucket), Key: aws.String("packages/" + filepath.ToSlash(at)), Body: opened})
		_ = opened.Close()
		if err == nil {
			err = os.Remove(file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	r := start(t, config)
	db, err := hub.OpenDatabase(t.Context(), r.config.DataDir, "")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	var id string
	if err := db.QueryRowContext(t.Context(), `UPDATE submissions SET state = 'error' RETURNING id`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	ann := client{r.URL(), r.token(t, "ann", login.Author, login.Scopes...), http.DefaultClient}
	if got := ann.ask(t, http.MethodPost, "/api/v1/trainers/validation/"+id+"/retry"); got.status != 200 {
		t.Fatalf("%+v", got)
	}
	ann.follow(t, id)
	if v := ann.get(t, id); v.State != submission.Proven {
		t.Errorf("%+v", v)
	}
}
