// Errors as values. Functions that can fail on bad input, files or the network return Result<T>;
// exceptions only come from the libraries below and are caught where these are called.
#pragma once

#include <exception>
#include <string>
#include <utility>

#include <tl/expected.hpp>

namespace alig {

// What a caller may do about an error. The entrypoints map kinds to exit codes and Python
// exceptions; nothing else depends on the order.
enum class ErrorKind {
  kInvalidArgument,  // spec, key, override or input text is wrong       -> ValueError
  kNotFound,         // a file or folder is missing                      -> FileNotFoundError
  kIo,               // the file system refused (full disk, permissions) -> OSError
  kEndpoint,         // the endpoint makes the whole run pointless       -> ValueError family
  kUnavailable,      // stopped on purpose, resumable (max_requests, …)  -> ValueError family
  kInterrupted,      // SIGINT, SIGTERM, or the parent died              -> KeyboardInterrupt
  kData,             // one record, image or answer is unusable; never ends a run
};

struct Error {
  ErrorKind kind = ErrorKind::kInvalidArgument;
  std::string message;  // one or two sentences: what is wrong, where, what to do
};

template <typename T>
using Result = tl::expected<T, Error>;
using Status = tl::expected<void, Error>;

inline tl::unexpected<Error> fail(ErrorKind kind, std::string message) {
  return tl::unexpected<Error>(Error{kind, std::move(message)});
}

// Prefixes an error's message with "<where>: " on its way up.
inline tl::unexpected<Error> fail_at(const std::string& where, const Error& error) {
  return fail(error.kind, where + ": " + error.message);
}

// Turns an exception of `work` (from a library: no memory, an impossible value) into a kIo error.
template <typename Work>
Status without_exceptions(Work work) {
  try {
    return work();
  } catch (const std::exception& error) {
    return fail(ErrorKind::kIo, std::string("unexpected: ") + error.what());
  }
}

}  // namespace alig
