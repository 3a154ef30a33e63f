// Destination of messages to the user. Library code takes a Logger&; the native program passes one
// that writes to stderr, the Python module one that feeds Python's logging.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/core.h>

namespace alig {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

class Logger {
 public:
  virtual ~Logger() = default;
  // May be called from any thread; never throws. `message` is one line without its line end.
  virtual void log(LogLevel level, std::string_view message) = 0;

  template <typename... Args>
  void info(fmt::format_string<Args...> format, Args&&... args) {
    log(LogLevel::kInfo, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void warning(fmt::format_string<Args...> format, Args&&... args) {
    log(LogLevel::kWarning, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void error(fmt::format_string<Args...> format, Args&&... args) {
    log(LogLevel::kError, fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void debug(fmt::format_string<Args...> format, Args&&... args) {
    log(LogLevel::kDebug, fmt::format(format, std::forward<Args>(args)...));
  }
};

// Lines "12:34:56 warning  message" on stderr; debug messages only if ALIG_LOG=debug is set.
std::unique_ptr<Logger> make_stderr_logger();

}  // namespace alig
