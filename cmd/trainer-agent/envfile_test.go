package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A file of settings is what a shell would source: with comments, export and quotes.
func TestEnvFileFillsWhatIsNotSet(t *testing.T) {
	file := filepath.Join(t.TempDir(), "job.env")
	text := "# a job\nENVFILE_A=1\nexport ENVFILE_B='a $b \"c\"'\nENVFILE_C=\"two words\"\nENVFILE_D={\"x\": [1, 2]}\nENVFILE_SET=file\n\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ENVFILE_SET", "environment")
	for _, name := range []string{"ENVFILE_A", "ENVFILE_B", "ENVFILE_C", "ENVFILE_D"} {
		t.Setenv(name, "") // restored, and empty counts as unset
	}
	if err := (fromFile{EnvFile: []string{file}}).loadSettings(); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"ENVFILE_A": "1", "ENVFILE_B": `a $b "c"`, "ENVFILE_C": "two words", "ENVFILE_D": `{"x": [1, 2]}`, "ENVFILE_SET": "environment",
	} {
		if got := os.Getenv(name); got != want {
			t.Errorf("%s=%q, want %q", name, got, want)
		}
	}
}

func TestEnvFileThatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes.txt")
	if err := os.WriteFile(file, []byte("these are notes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (fromFile{EnvFile: []string{file}}).loadSettings(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}

func TestATryKnowsWhichOfItsSettingsFilesHoldASecret(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	given, own, plain := filepath.Join(dir, "given.env"), filepath.Join(dir, settingsFile), filepath.Join(dir, "plain.env")
	for file, text := range map[string]string{given: "OPENAI_API_KEY=a\n", own: "SOME_TOKEN=b\n", plain: "EPOCHS=3\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	try := TryCmd{fromFile: fromFile{EnvFile: []string{plain, given}}}
	if got := try.process().secretFiles(); !slices.Equal(got, []string{given, own}) {
		t.Errorf("%v", got)
	}
}
