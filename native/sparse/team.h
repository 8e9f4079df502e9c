// Threads that run one function side by side and meet at barriers many times within it.
#pragma once
#include <omp.h>

#include <atomic>

namespace coppice::sparse {

class Team {
 public:
  explicit Team(int threads) : threads_(threads) {}
  int threads() const { return threads_; }

  class Member {
   public:
    Member(Team& team, int index, int threads) : team_(team), index_(index), threads_(threads) {}
    int index() const { return index_; }
    int threads() const { return threads_; }
    /// Waits until every thread is here.
    void meet() const { team_.meet(threads_); }

   private:
    Team& team_;
    const int index_, threads_;
  };

  /// Runs `work(member)` on every thread, with denormals flushed to zero. `work` must not throw.
  template <class Work>
  void run(Work work);

 private:
  void meet(int threads);

  const int threads_;
  std::atomic<int> arrived_{0}, round_{0};
};

/// Flushes denormals to zero on this thread while it lives.
class FlushDenormals {
 public:
  FlushDenormals();
  ~FlushDenormals();

 private:
  unsigned before_;
};

template <class Work>
void Team::run(Work work) {
#pragma omp parallel num_threads(threads_)
  {
    const FlushDenormals flush;
    work(Member(*this, omp_get_thread_num(), omp_get_num_threads()));
  }
}

}  // namespace coppice::sparse
