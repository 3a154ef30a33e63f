#include "auto_label_image_grounding/base/log.h"

#include <stdio.h>
#include <time.h>

#include <cstdlib>
#include <exception>

namespace alig {
namespace {

std::string_view name_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "info";
}

class StderrLogger final : public Logger {
 public:
  StderrLogger() {
    const char* wanted = std::getenv("ALIG_LOG");
    debug_ = wanted != nullptr && std::string_view(wanted) == "debug";
  }

  void log(LogLevel level, std::string_view message) override {
    if (level == LogLevel::kDebug && !debug_) return;
    try {
      const time_t now = ::time(nullptr);
      tm local{};
      ::localtime_r(&now, &local);
      const std::string line = fmt::format("{:02}:{:02}:{:02} {:8} {}\n", local.tm_hour,
                                           local.tm_min, local.tm_sec, name_of(level), message);
      // stdio's own lock keeps the lines of several threads apart.
      ::fwrite(line.data(), 1, line.size(), stderr);
      ::fflush(stderr);
    } catch (const std::exception&) {
      // No memory for a line: the work goes on without it.
    }
  }

 private:
  bool debug_ = false;
};

}  // namespace

std::unique_ptr<Logger> make_stderr_logger() { return std::make_unique<StderrLogger>(); }

}  // namespace alig
