// The program's command line. Only command_line.cc includes CLI11, which takes long to compile.
#pragma once

#include <string>
#include <vector>

#include "evaluate_command.h"

namespace alig {

struct GenerateOptions {
  std::string spec_path;
  std::vector<std::string> overrides;  // "key=value"
  bool dry_run = false;
};

struct CommandLine {
  enum class Command {
    kNone,  // help, a version or an error was printed: only `exit_status` is set
    kGenerate,
    kDefaultSpecs,
    kEvaluate,
  };
  Command command = Command::kNone;
  int exit_status = 0;
  GenerateOptions generate;
  std::vector<std::string> default_specs_arguments;  // "key=value"
  EvaluateOptions evaluate;
};

// Prints help, the version, or what is wrong with the arguments. Copies everything that it keeps.
CommandLine parse_command_line(int argc, const char* const* argv);

}  // namespace alig
