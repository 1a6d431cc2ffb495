package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
	"google.golang.org/protobuf/types/known/emptypb"
)

const (
	programScript = "pulumi-language-python-exec"

	// A program that exits with this code has already told the user what is wrong.
	exitBail = 32

	// How long a terminated Python process may take to clean up before it is killed.
	interruptGrace = 5 * time.Second
)

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	// Every child ends with this context: when the engine dies, is interrupted or cancels.
	ctx    context.Context
	cancel context.CancelFunc

	mu     sync.Mutex
	engine string
}

func newHost(ctx context.Context, engine string) *host {
	ctx, cancel := context.WithCancel(ctx)
	return &host{ctx: ctx, cancel: cancel, engine: engine}
}

func (h *host) Handshake(
	_ context.Context, req *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.engine = req.GetEngineAddress()
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.cancel()
	return &emptypb.Empty{}, nil
}

// Run executes a program and returns when it ends.
func (h *host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	ctx, done := h.childContext(ctx)
	defer done()

	python, err := resolve(req.GetInfo())
	if err != nil {
		return nil, err
	}
	if err := python.ValidateVenv(ctx); err != nil {
		return nil, err
	}
	if bail, err := python.checkTypes(ctx, req.GetInfo().GetProgramDirectory()); bail || err != nil {
		return &pulumirpc.RunResponse{Bail: bail}, err
	}

	script, err := besideBinary(programScript)
	if err != nil {
		return nil, err
	}
	cmd, err := python.Command(ctx, append([]string{"-u", script}, h.programArguments(req)...)...)
	if err != nil {
		return nil, err
	}
	config, secretKeys, err := encodeConfig(req)
	if err != nil {
		return nil, err
	}
	cmd.Dir = req.GetPwd()
	cmd.Env = append(environment(cmd), "PULUMI_CONFIG="+config, "PULUMI_CONFIG_SECRET_KEYS="+secretKeys)
	// The engine shows what the host prints as the program's own output.
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr

	code, err := runToEnd(cmd)
	switch {
	case err != nil:
		return nil, fmt.Errorf("cannot run %s: %w", cmd.Path, err)
	case code == exitBail:
		return &pulumirpc.RunResponse{Bail: true}, nil
	case code != 0:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the Python program exited with code %d", code)}, nil
	}
	return &pulumirpc.RunResponse{}, nil
}

func (h *host) programArguments(req *pulumirpc.RunRequest) []string {
	h.mu.Lock()
	engine := h.engine
	h.mu.Unlock()

	var args []string
	for _, flag := range []struct{ name, value string }{
		{"monitor", req.GetMonitorAddress()},
		{"engine", engine},
		{"project", req.GetProject()},
		{"stack", req.GetStack()},
		{"organization", req.GetOrganization()},
		{"root_directory", req.GetInfo().GetRootDirectory()},
		{"pwd", req.GetPwd()},
		{"dry_run", strconv.FormatBool(req.GetDryRun())},
		{"parallel", strconv.Itoa(int(req.GetParallel()))},
	} {
		if flag.value != "" {
			args = append(args, "--"+flag.name, flag.value)
		}
	}
	program := filepath.Join(req.GetInfo().GetProgramDirectory(), req.GetInfo().GetEntryPoint())
	return append(append(args, program), req.GetArgs()...)
}

// encodeConfig gives the program's configuration as the SDK reads it. An empty one must be `{}` and `[]`: the SDK
// cannot read the `null` that Go writes for a nil map or slice.
func encodeConfig(req *pulumirpc.RunRequest) (config, secretKeys string, err error) {
	values, keys := req.GetConfig(), req.GetConfigSecretKeys()
	if values == nil {
		values = map[string]string{}
	}
	if keys == nil {
		keys = []string{}
	}
	valuesJSON, err := json.Marshal(values)
	if err != nil {
		return "", "", err
	}
	keysJSON, err := json.Marshal(keys)
	return string(valuesJSON), string(keysJSON), err
}

// RunPlugin runs a policy pack (kind "analyzer") or a provider that is written in Python, streaming its output.
func (h *host) RunPlugin(req *pulumirpc.RunPluginRequest, stream pulumirpc.LanguageRuntime_RunPluginServer) error {
	ctx, done := h.childContext(stream.Context())
	defer done()

	python, err := resolve(req.GetInfo())
	if err != nil {
		return err
	}
	if err := python.ValidateVenv(ctx); err != nil {
		return err
	}
	directory := req.GetInfo().GetProgramDirectory()
	var cmd *exec.Cmd
	if req.GetKind() == "analyzer" {
		cmd, err = python.ModuleCommand(ctx, "pulumi.policy", append(req.GetArgs(), directory)...)
	} else {
		cmd, err = python.Command(ctx, append([]string{"-u", directory}, req.GetArgs()...)...)
	}
	if err != nil {
		return err
	}
	cmd.Dir = req.GetPwd()
	// The engine sends its whole environment; of ours only what activates the virtual environment may win over it.
	cmd.Env = append(append(os.Environ(), req.GetEnv()...), activation(cmd)...)

	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(stream, false)
	if err != nil {
		return err
	}
	defer closer.Close()
	cmd.Stdout, cmd.Stderr = serialized(stdout, stderr)

	code, err := runToEnd(cmd)
	if err != nil {
		return fmt.Errorf("cannot run %s: %w", cmd.Path, err)
	}
	return stream.Send(&pulumirpc.RunPluginResponse{
		Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: int32(code)},
	})
}

// InstallDependencies creates the virtual environment and installs the requirements into it (`pulumi install`).
func (h *host) InstallDependencies(
	req *pulumirpc.InstallDependenciesRequest, stream pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	ctx, done := h.childContext(stream.Context())
	defer done()

	python, err := resolve(req.GetInfo())
	if err != nil {
		return err
	}
	closer, stdout, stderr, err := rpcutil.MakeInstallDependenciesStreams(stream, req.GetIsTerminal())
	if err != nil {
		return err
	}
	defer closer.Close()
	stdout, stderr = serialized(stdout, stderr)
	if err := python.InstallDependencies(
		ctx, req.GetInfo().GetProgramDirectory(), req.GetUseLanguageVersionTools(), true, stdout, stderr,
	); err != nil {
		return err
	}
	return closer.Close()
}

// Template prepares a freshly copied template for its package manager (`pulumi new`).
func (h *host) Template(ctx context.Context, req *pulumirpc.TemplateRequest) (*pulumirpc.TemplateResponse, error) {
	python, err := resolve(req.GetInfo())
	if err != nil {
		return nil, err
	}
	directory := req.GetInfo().GetProgramDirectory()
	if err := python.PrepareProject(ctx, req.GetProjectName(), directory, false, io.Discard, io.Discard); err != nil {
		return nil, err
	}
	return &pulumirpc.TemplateResponse{}, nil
}

func (h *host) RuntimeOptionsPrompts(
	context.Context, *pulumirpc.RuntimeOptionsRequest,
) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

// About describes the Python that programs run with (`pulumi about`).
func (h *host) About(ctx context.Context, req *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	python, err := resolve(req.GetInfo())
	if err != nil {
		return nil, err
	}
	info, err := python.About(ctx)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{
		Executable: info.PythonExecutable,
		Version:    info.PythonVersion.String(),
		Metadata: map[string]string{
			"toolchain":        toolchain.Name(python.options.Toolchain),
			"toolchainVersion": info.ToolchainVersion.String(),
			"typechecker":      toolchain.TypeCheckerName(python.options.Typechecker),
		},
	}, nil
}

func (h *host) GetProgramDependencies(
	ctx context.Context, req *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	python, err := resolve(req.GetInfo())
	if err != nil {
		return nil, err
	}
	packages, err := python.ListPackages(ctx, req.GetTransitiveDependencies())
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.GetProgramDependenciesResponse{}
	for _, p := range packages {
		response.Dependencies = append(response.Dependencies, &pulumirpc.DependencyInfo{Name: p.Name, Version: p.Version})
	}
	return response, nil
}

// GetRequiredPackages lists the plugins that the installed SDK packages belong to.
func (h *host) GetRequiredPackages(
	ctx context.Context, req *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	python, err := resolve(req.GetInfo())
	if err != nil {
		return nil, err
	}
	packages, err := python.requiredPackages(ctx)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.GetRequiredPackagesResponse{Packages: packages}, nil
}

// childContext ends with the call it is made for and with the host.
func (h *host) childContext(call context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(call)
	stop := context.AfterFunc(h.ctx, cancel)
	return ctx, func() { stop(); cancel() }
}

// runToEnd runs a command and returns its exit code. When the command's context ends it is terminated, then killed.
// Not by an interrupt: Python answers that with a traceback, which would bury the error that ended the update.
func runToEnd(cmd *exec.Cmd) (int, error) {
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = interruptGrace
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func environment(cmd *exec.Cmd) []string {
	if cmd.Env != nil {
		return cmd.Env
	}
	return os.Environ()
}

// activation gives the variables that the toolchain set on a command to activate its virtual environment.
func activation(cmd *exec.Cmd) []string {
	var result []string
	for _, variable := range cmd.Env {
		name, _, _ := strings.Cut(variable, "=")
		if name == "VIRTUAL_ENV" || name == "PATH" {
			result = append(result, variable)
		}
	}
	return result
}

// besideBinary finds a file in the folder of this executable, through links.
func besideBinary(name string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(self), name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("%s must lie beside the language host: %w", name, err)
	}
	return path, nil
}

// serialized makes two writers of one gRPC stream safe to use side by side: a stream allows one sender at a time.
func serialized(stdout, stderr io.Writer) (io.Writer, io.Writer) {
	mu := &sync.Mutex{}
	return &lockedWriter{mu, stdout}, &lockedWriter{mu, stderr}
}

type lockedWriter struct {
	mu     *sync.Mutex
	writer io.Writer
}

func (w *lockedWriter) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writer.Write(data)
}
