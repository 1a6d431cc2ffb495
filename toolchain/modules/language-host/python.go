package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
)

// python is the Python environment that a project's options in Pulumi.yaml name.
type python struct {
	toolchain.Toolchain
	options toolchain.PythonOptions
}

// resolve reads `runtime.options` of Pulumi.yaml: virtualenv, toolchain and typechecker.
func resolve(info *pulumirpc.ProgramInfo) (*python, error) {
	options := toolchain.PythonOptions{Root: info.GetRootDirectory(), ProgramDir: info.GetProgramDirectory()}
	for name, value := range info.GetOptions().AsMap() {
		text, ok := value.(string)
		if !ok {
			return nil, fmt.Errorf("Pulumi.yaml: runtime.options.%s must be a string, not %v", name, value)
		}
		switch name {
		case "virtualenv":
			options.Virtualenv = text
		case "toolchain":
			switch text {
			case "auto":
				options.Toolchain = toolchain.Auto
			case "pip":
				options.Toolchain = toolchain.Pip
			case "poetry":
				options.Toolchain = toolchain.Poetry
			case "uv":
				options.Toolchain = toolchain.Uv
			default:
				return nil, fmt.Errorf("Pulumi.yaml: runtime.options.toolchain: %q is not auto, pip, poetry or uv", text)
			}
		case "typechecker":
			switch text {
			case "mypy":
				options.Typechecker = toolchain.TypeCheckerMypy
			case "pyright":
				options.Typechecker = toolchain.TypeCheckerPyright
			default:
				return nil, fmt.Errorf("Pulumi.yaml: runtime.options.typechecker: %q is not mypy or pyright", text)
			}
		}
	}
	tool, err := toolchain.ResolveToolchain(options)
	if err != nil {
		return nil, err
	}
	return &python{Toolchain: tool, options: options}, nil
}

// checkTypes runs the type checker that the project asks for, if any. Bail: it found errors and has printed them.
func (p *python) checkTypes(ctx context.Context, directory string) (bail bool, err error) {
	module := map[string][]string{
		toolchain.TypeCheckerName(toolchain.TypeCheckerMypy):    {"mypy", "."},
		toolchain.TypeCheckerName(toolchain.TypeCheckerPyright): {"pyright"},
	}[toolchain.TypeCheckerName(p.options.Typechecker)]
	if module == nil {
		return false, nil
	}
	cmd, err := p.ModuleCommand(ctx, module[0], module[1:]...)
	if err != nil {
		return false, err
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = directory, os.Stdout, os.Stderr
	code, err := runToEnd(cmd)
	return code != 0, err
}

// requiredPackages reads the pulumi-plugin.json that every provider's Python package carries. Asking pip would give
// the same list and cost half a second of every operation.
func (p *python) requiredPackages(ctx context.Context) ([]*pulumirpc.PackageDependency, error) {
	folders, err := p.sitePackages(ctx)
	if err != nil {
		return nil, err
	}
	var result []*pulumirpc.PackageDependency
	for _, folder := range folders {
		files, err := filepath.Glob(filepath.Join(folder, "*", "pulumi-plugin.json"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			dependency, err := readPluginFile(file)
			if err != nil {
				return nil, err
			}
			if dependency != nil {
				result = append(result, dependency)
			}
		}
	}
	return result, nil
}

func (p *python) sitePackages(ctx context.Context) ([]string, error) {
	environment, err := p.VirtualEnvPath(ctx)
	if err != nil || environment == "" {
		cmd, err := p.Command(ctx, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
		if err != nil {
			return nil, err
		}
		output, err := cmd.Output()
		if err != nil {
			return nil, fmt.Errorf("cannot ask %s for its packages: %w", cmd.Path, err)
		}
		return []string{strings.TrimSpace(string(output))}, nil
	}
	posix, err := filepath.Glob(filepath.Join(environment, "lib", "python*", "site-packages"))
	if err != nil {
		return nil, err
	}
	return append(posix, filepath.Join(environment, "Lib", "site-packages")), nil
}

type pluginFile struct {
	Resource         bool   `json:"resource"`
	Name             string `json:"name"`
	Version          string `json:"version"`
	Server           string `json:"server"`
	Parameterization *struct {
		Name    string `json:"name"`
		Version string `json:"version"`
		Value   []byte `json:"value"`
	} `json:"parameterization"`
}

// readPluginFile returns nil for a package that says it has no plugin.
func readPluginFile(path string) (*pulumirpc.PackageDependency, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file pluginFile
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if !file.Resource {
		return nil, nil
	}
	if file.Name == "" || file.Version == "" {
		return nil, errors.New(path + ": name and version are required")
	}
	dependency := &pulumirpc.PackageDependency{
		Kind: "resource", Name: file.Name, Version: withV(file.Version), Server: file.Server,
	}
	if parameters := file.Parameterization; parameters != nil {
		dependency.Parameterization = &pulumirpc.PackageParameterization{
			Name: parameters.Name, Version: parameters.Version, Value: parameters.Value,
		}
	}
	return dependency, nil
}

func withV(version string) string {
	return "v" + strings.TrimPrefix(version, "v")
}
