package images

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/vision-platform/trainer-agent/agent/storage"
	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
	"github.com/vision-platform/trainer-agent/contract"
)

// The shipped Deployment with the shipped image, confined as it says. Only its ports
// are the test's own, because the network is the machine's.
func TestKubernetesSandboxTakesObjectsAndCallbacks(t *testing.T) {
	t.Parallel()
	pod := read[appsv1.Deployment](t, "sandbox/platform.yaml").Spec.Template.Spec
	secrets := read[corev1.Secret](t, "sandbox/secret.yaml").StringData
	main := pod.Containers[0]
	c := newContainer(t, imageOf(strings.TrimPrefix(main.Image, "trainer-")))
	backend, s3 := everywhere(t), everywhere(t)
	args := strings.Split(strings.NewReplacer("0.0.0.0:8000", backend, "0.0.0.0:9000", s3).Replace(strings.Join(main.Args, "\n")), "\n")
	c.command(main.Command, args)
	secure(c, *pod.SecurityContext, *main.SecurityContext)
	for i, m := range main.VolumeMounts {
		mountVolume(c, pod.Volumes[i], m, nil)
	}
	c.memory(main.Resources.Limits.Memory().Value())
	c.env = jobtest.Env{}
	for _, e := range main.Env {
		c.env[e.Name] = valueOf(t, e, secrets)
	}
	c.start()
	c.answers(backend, main.ReadinessProbe.HTTPGet.Path)
	for token, want := range map[string]int{secrets["callback-token"]: http.StatusOK, "another": http.StatusUnauthorized} {
		if got := postEvent(t, backend, token); got != want {
			t.Errorf("a callback with the token %q: %d, want %d", token, got, want)
		}
	}
	_, port, _ := net.SplitHostPort(s3)
	store, err := storage.Open(t.Context(), storage.Config{
		Type: contract.StorageMinIO, Endpoint: "http://127.0.0.1:" + port, Region: "us-east-1", Bucket: "vision-platform",
		AccessKeyID: secrets["access-key-id"], SecretAccessKey: secrets["secret-access-key"],
	})
	if err == nil {
		_, err = store.Put(t.Context(), "datasets/x.zip", strings.NewReader("abc"), 3, nil)
	}
	if err != nil {
		t.Error(err)
	}
	c.signal("TERM")
	c.ends(0)
	if said := c.stdout.String() + c.stderr.String(); strings.Contains(said, secrets["secret-access-key"]) {
		t.Errorf("a key is in the log: %s", said)
	}
}

// everywhere is a free port of every address.
func everywhere(t *testing.T) string {
	t.Helper()
	_, port, err := net.SplitHostPort(jobtest.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	return "0.0.0.0:" + port
}

// answers waits for the probe that the kubelet asks.
func (c *container) answers(addr, path string) {
	c.t.Helper()
	giveUp := time.Now().Add(patience)
	for err := ask(addr, path); err != nil; err = ask(addr, path) {
		if time.Now().After(giveUp) {
			_ = runc("kill", c.id, "KILL").Run()
			_ = c.cmd.Wait()
			c.t.Fatalf("never ready: %v\n%s", err, c.stderr.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func postEvent(t *testing.T, addr, token string) int {
	t.Helper()
	_, port, _ := net.SplitHostPort(addr)
	body := `{"event_type":"hello","message":"","data":{},"timestamp":"2026-01-02T03:04:05Z"}`
	request, err := http.NewRequest(http.MethodPost, "http://127.0.0.1:"+port+contract.KindEvent.Path("j"), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json", contract.HeaderTraceID: "t", contract.HeaderIdempotencyKey: "j:1"} {
		request.Header.Set(name, value)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	said, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	t.Logf("%d %s", answer.StatusCode, said)
	return answer.StatusCode
}
