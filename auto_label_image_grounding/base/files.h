// Small file helpers with errors that name the path and the reason.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "auto_label_image_grounding/base/status.h"

namespace alig {

// The whole file. kNotFound where it does not exist, kIo otherwise (also for a directory).
Result<std::string> read_file(const std::filesystem::path& path);

// The same a block at a time, for files that need not fit in memory; ends at the first error that
// `take` returns.
Status read_in_blocks(const std::filesystem::path& path,
                      const std::function<Status(std::string_view)>& take);

enum class Sync { kNo, kYes };

// Durable replacement: writes a temporary beside `path`, syncs it where asked, renames it over
// `path`. A reader sees the old bytes or the new ones, never a part. On an error the temporary is
// removed and `path` is untouched. `temporary_folder`: where the temporary lives instead, on the
// same file system; so that what a killed process left behind can be found and removed.
Status write_file_atomically(const std::filesystem::path& path, std::string_view bytes,
                             Sync sync = Sync::kNo,
                             const std::filesystem::path& temporary_folder = {});

// The same for a file that mostly does not exist yet, without sync: cheaper where many threads
// write into one folder. One that does exist is replaced; `before_replacing`, where given, is
// called first and may move it out of the way, and its error is returned with nothing written.
Status write_new_file_atomically(const std::filesystem::path& path, std::string_view bytes,
                                 const std::filesystem::path& temporary_folder,
                                 const std::function<Status()>& before_replacing = {});

// Waits until everything written to the file system of `folder` is on its disk: one call for any
// number of files. kIo.
Status sync_filesystem(const std::filesystem::path& folder);

// Keeps the file at `path` under a new name next to it: "<stem>.previous<ext>", else
// "<stem>.previous-2<ext>", …; nothing is overwritten, and a file kept earlier keeps its name.
// `path` itself remains (by a hard link, or a copy where the file system has no links), so that a
// reader always finds it. Returns the new path; kIo.
Result<std::filesystem::path> keep_previous(const std::filesystem::path& path);

Status make_directories(const std::filesystem::path& path);

// A growing file that replaces `path` when it is committed: the same promise as
// write_file_atomically for output that does not fit in memory. Not thread-safe.
class AtomicFile {
 public:
  static Result<AtomicFile> create(std::filesystem::path path,
                                   const std::filesystem::path& temporary_folder = {});
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();  // removes the temporary where commit() was not reached

  Status append(std::string_view bytes);
  Status commit(Sync sync = Sync::kYes);

 private:
  AtomicFile(std::filesystem::path path, std::filesystem::path temporary, int fd);
  Status flush();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
  std::string buffer_;
};

}  // namespace alig
