package images

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"archive/zip"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/vision-platform/trainer-agent/cmd/trainer-sandbox/jobtest"
)

// hubPod is the shipped StatefulSet as a container, with another isolation: there is no
// cluster here. Only its port is the test's own, because the network is the machine's.
func hubPod(t *testing.T, isolation string) (c *container, main corev1.Container, addr string) {
	t.Helper()
	spec := read[appsv1.StatefulSet](t, "hub/statefulset.yaml").Spec
	pod := spec.Template.Spec
	main = pod.Containers[0]
	c = newContainer(t, imageOf(strings.TrimPrefix(main.Image, "trainer-")))
	c.command(main.Command, main.Args)
	secure(c, *pod.SecurityContext, *main.SecurityContext)
	for _, m := range main.VolumeMounts {
		v := corev1.Volume{Name: m.Name, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}} // a claim is a folder too
		mountVolume(c, v, m, nil)
	}
	c.memory(main.Resources.Limits.Memory().Value())
	c.env = jobtest.Env{}
	for _, e := range main.Env {
		c.env[e.Name] = valueOf(t, e, nil)
	}
	addr = everywhere(t)
	return c.with("TRAINER_HUB_ADDR", addr, "TRAINER_HUB_BASE", "", "TRAINER_HUB_ISOLATION", isolation, "TRAINER_HUB_ALLOW_UNSCANNED", "malware,dependencies"), main, addr
}

// The shipped hub becomes ready, takes a package, and ends when it is asked to.
func TestKubernetesHubTakesAPackage(t *testing.T) {
	t.Parallel()
	c, main, addr := hubPod(t, "process")
	c.start()
	for _, probe := range []*corev1.Probe{main.StartupProbe, main.ReadinessProbe, main.LivenessProbe} {
		c.answers(addr, probe.HTTPGet.Path)
	}
	if out, err := c.exec(strings.Fields("trainer-hub token ann")...); err != nil {
		t.Errorf("%v: %s", err, out)
	} else if status, said := upload(t, addr, strings.TrimSpace(out)); status != http.StatusAccepted {
		t.Errorf("%d %s", status, said)
	}
	check := c.image.Healthcheck.Test[1:]
	for i := range check {
		check[i] = strings.ReplaceAll(check[i], "7070", addr[strings.LastIndexByte(addr, ':')+1:])
	}
	if out, err := c.exec(check...); err != nil {
		t.Errorf("the health check: %v: %s", err, out)
	}
	c.signal("TERM")
	c.ends(0)
}

// A restricted pod cannot make namespaces that isolate: a hub that is told to says so, and
// does not run packages without.
func TestKubernetesHubDoesNotPretendToIsolate(t *testing.T) {
	t.Parallel()
	c, _, _ := hubPod(t, "namespaces")
	c.start().ends(1)
	if !strings.Contains(c.stderr.String(), "refuses isolation by namespaces") {
		t.Errorf("%s", c.stderr.String())
	}
}

// upload sends a package of one document.
func upload(t *testing.T, addr, token string) (status int, said string) {
	t.Helper()
	var packed, body bytes.Buffer
	z := zip.NewWriter(&packed)
	f, err := z.Create("capabilities.json")
	if err == nil {
		_, err = io.WriteString(f, `{"framework": "cell-counter", "version": "1.0.0"}`)
	}
	form := multipart.NewWriter(&body)
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		f, err = form.CreateFormFile("file", "package.zip")
	}
	if err == nil {
		_, err = f.Write(packed.Bytes())
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequest(http.MethodPost, "http://127.0.0.1"+addr[strings.LastIndexByte(addr, ':'):]+"/api/v1/trainers/upload?dry_run=true", &body)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", form.FormDataContentType())
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	return answer.StatusCode, string(text)
}
