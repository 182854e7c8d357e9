package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/vision-platform/trainer-agent/agent/ui"
	"github.com/vision-platform/trainer-agent/trainers/kit/install"
	"github.com/vision-platform/trainer-agent/trainers/kit/publish"
)

// fromHub is a release of a hub, and whom it is trusted by.
type fromHub struct {
	Trainer string `arg:"" placeholder:"NAME[@VERSION]" help:"The trainer; without a version the newest that is no pre-release."`
	Hub     string `env:"TRAINER_HUB_URL" default:"http://127.0.0.1:7070" help:"Address of the hub."`
	Token   string `env:"TRAINER_HUB_TOKEN" placeholder:"TOKEN" help:"API token of the hub; better in the variable, for a command line can be read by others."`
	Key     string `env:"TRAINER_HUB_KEY" placeholder:"KEY" help:"Public key that releases must be signed with (ed25519, base64). By default the one that the hub names itself."`
}

// find asks the hub for the release and its key.
func (f fromHub) find(ctx context.Context) (*publish.Client, publish.Published, ed25519.PublicKey, error) {
	client, err := publish.New(f.Hub, f.Token)
	if err != nil {
		return nil, publish.Published{}, nil, err
	}
	name, version, _ := strings.Cut(f.Trainer, "@")
	found, err := client.Find(ctx, name, version)
	if err == nil && (found.Name != name || version != "" && found.Version != version) {
		err = fmt.Errorf("the hub answered with %s %s", found.Name, found.Version)
	}
	if err != nil {
		return nil, found, nil, err
	}
	warn(found)
	key, err := f.key(ctx, client)
	return client, found, key, err
}

// warn tells people of a version that its owner has withdrawn, on whatever way they asked for it.
func warn(found publish.Published) {
	switch found.State {
	case "deprecated":
		fmt.Fprintf(os.Stderr, "trainer-agent: warning: %s %s is deprecated: %s\n", found.Name, found.Version, ui.Clean(found.Reason))
	case "yanked":
		fmt.Fprintf(os.Stderr, "trainer-agent: warning: %s %s was yanked: %s. Only who names this version still gets it; trainer-agent install %s gets the newest that is offered.\n", found.Name, found.Version, ui.Clean(found.Reason), found.Name)
	}
}

func (f fromHub) key(ctx context.Context, client *publish.Client) (ed25519.PublicKey, error) {
	key, err := base64.StdEncoding.DecodeString(f.Key)
	if err == nil && f.Key == "" {
		if key, err = client.Key(ctx); err != nil {
			return nil, err
		}
	}
	if err != nil || len(key) != ed25519.PublicKeySize {
		return nil, errors.New("the key is no ed25519 key in base64: set --key or TRAINER_HUB_KEY to that of GET /api/v1/key")
	}
	return key, nil
}

// signer names the key to people.
func (f fromHub) signer(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	if f.Key == "" {
		return "the key that the hub names, SHA-256 " + hex.EncodeToString(sum[:]) + ": pin it with TRAINER_HUB_KEY=" + base64.StdEncoding.EncodeToString(key)
	}
	return "the key that you pinned, SHA-256 " + hex.EncodeToString(sum[:])
}

// VerifyCmd checks a release.
type VerifyCmd struct{ fromHub }

// Help is shown below the flags.
func (VerifyCmd) Help() string {
	return `Reads every byte of the release from the hub: the signature must be that of the key, and what it
signs (the package, the wheels, the image) must be there with the digests that it names. Examples:

  trainer-agent verify cell-counter@1.0.0
  trainer-agent verify cell-counter --hub https://hub.example.com

Exits with 0 when all of it holds, 1 when not, 75 when the hub does not answer.`
}

// Run verifies.
func (c VerifyCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client, found, key, err := c.find(ctx)
	if err == nil {
		err = install.Verify(ctx, client, found.Release, key)
	}
	if err != nil {
		return unanswered(err)
	}
	fmt.Printf("%s %s is what was published.\nSigned by: %s\nPackage:   sha256:%s\nBundle:    %s\n", found.Name, found.Version, c.signer(key), found.PackageSHA, found.Bundle)
	if found.Image != "" {
		fmt.Printf("Image:     %s\n", found.Reference)
	}
	return nil
}

// InstallCmd gets what a job needs to train with a trainer of a hub.
type InstallCmd struct {
	fromHub
	Dir    string `type:"path" placeholder:"DIR" help:"Install it here without a container: the package, and an environment of its wheels in DIR/.venv."`
	Python string `default:"python3" help:"Interpreter for --dir: of the version that the trainer was proven with."`
	JSON   bool   `name:"json" help:"Print the hub's answer, with the pod spec, as JSON."`
}

// Help is shown below the flags.
func (InstallCmd) Help() string {
	return `Prints the image, by its digest, and the environment of a job, when the release is signed for that image;
with --dir it installs the trainer on this machine, and checks every digest first. Examples:

  trainer-agent install cell-counter
  trainer-agent install cell-counter@1.0.0 --dir cell-counter`
}

// Run installs.
func (c InstallCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	client, found, key, err := c.find(ctx)
	switch {
	case err != nil:
	case c.Dir != "":
		err = install.Here(ctx, client, found.Release, key, c.Python, c.Dir)
	default:
		err = install.Signed(ctx, client, found.Release, key)
	}
	if err != nil {
		return unanswered(err)
	}
	if c.JSON {
		return json.NewEncoder(os.Stdout).Encode(found)
	}
	c.tell(found, key)
	return nil
}

// tell prints what there is for people: how to run it comes last, after what has to be set for that.
func (c InstallCmd) tell(found publish.Published, key ed25519.PublicKey) {
	fmt.Printf("Trainer: %s %s, proven with Python %s on %s\nSigned:  by %s\n", found.Name, found.Version, found.Python, found.Platform, c.signer(key))
	switch {
	case c.Dir != "":
		fmt.Printf("Folder:  %s\n", c.Dir)
	case found.Reference == "":
		fmt.Println("Image:   the hub makes none; --dir installs the trainer without a container")
	default:
		fmt.Printf("Image:   %s\n", found.Reference)
	}
	fmt.Println("Set for its jobs, beside their own variables:")
	for _, name := range slices.Sorted(maps.Keys(found.Environment)) {
		fmt.Printf("%s=%s\n", name, found.Environment[name])
	}
	if c.Dir != "" {
		fmt.Printf("Run it:  cd %s && trainer-agent run --trainer . --python %s/bin/python\n", c.Dir, install.Venv)
	}
}
