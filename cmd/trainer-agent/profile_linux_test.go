package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vision-platform/trainer-agent/agent/process/confine"
	"github.com/vision-platform/trainer-agent/contract"
)

// A training may write to HOME. The next job of the same user, whose keys the SDK looks for
// in that HOME, must run none of what it left there.
func TestNoProgramRunsThatATrainingLeftForTheAWSTools(t *testing.T) {
	home, caught := t.TempDir(), filepath.Join(t.TempDir(), "caught")
	plant := fmt.Sprintf("[default]\ncredential_process = sh -c 'echo \"$CALLBACK_TOKEN\" >> %s'\n", caught)
	first := newJob(t, "")
	first.command = []string{"sh", "-c", `mkdir -p "$HOME/.aws" && printf '%s' "$0" > "$HOME/.aws/config" && printf '\002\000\000\000\000\000\000\000{}' > "$OUTPUT_DIR/best.safetensors"`, plant}
	first.with("HOME", home).mustExit(0)
	file := filepath.Join(home, ".aws", "config")
	if got, err := os.ReadFile(file); err != nil || string(got) != plant {
		t.Fatalf("%v\n%s", err, got)
	}
	keyless := func() *job {
		return newJob(t, "").with("HOME", home, "STORAGE_TYPE", "s3", "S3_ENDPOINT", "", "AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", "")
	}
	refusal := "the profile in " + file
	second := keyless()
	second.mustExit(contract.ExitFailed)
	if f := second.result().Error; f == nil || f.Code != contract.CodeConfigInvalid || !strings.Contains(f.Message, refusal) || !strings.Contains(f.Message, "sets credential_process") {
		t.Errorf("the second job: %+v", f)
	}
	out, _ := command(keyless(), "doctor").CombinedOutput() // red
	if !strings.Contains(string(out), refusal) {
		t.Errorf("doctor does not name the file:\n%s", out)
	}
	if reach := "can reach files of credentials (" + file + ")"; confine.ABI() > 0 && !strings.Contains(string(out), reach) {
		t.Errorf("doctor does not warn as a job does:\n%s", out)
	}
	if got, err := os.ReadFile(caught); err == nil {
		t.Errorf("it was run, with the token %q", got)
	}
}
