import numpy as np

from benchmark_utils import checks
from benchmark_utils.batches import draw
from benchmark_utils.compiled import descend, jit, kernel
from benchmark_utils.oracles import directions, gradients, project
from benchmark_utils.solver import BilevelSolver

MAX_MEMORY = 2 * 2**30  # Bytes.


class Solver(BilevelSolver):
    """Stochastic Average Bilevel Algorithm (SABA).

    M. Dagréou, P. Ablin, S. Vaiter, T. Moreau, "A framework for bilevel
    optimization that enables stochastic and global variance reduction
    algorithms", NeurIPS 2022.

    SOBA with constant steps, where each of the five quantities in its
    directions is estimated as in SAGA, from a memory of its last value on
    every mini-batch.

    Parameters
    ----------
    step_size : float
        Of z and v.
    outer_ratio : float
        Step size of z divided by that of x.
    batch_size : int or "full"
    memory_init : {"full", "zero"}
        Fill the memory with one pass over the data at the start, or with
        zeros.
    eval_freq : int
        Iterations between two callbacks.
    """

    name = "SABA"

    parameters = {
        "step_size": [0.25],
        "outer_ratio": [1.0],
        "batch_size": [64],
        "memory_init": ["full"],
        "eval_freq": [256],
    }

    constraints = {
        **BilevelSolver.constraints,
        "memory_init": checks.one_of("full", "zero"),
    }
    state_names = ("z", "v", "x")

    def set_objective(self, problem):
        super().set_objective(problem)
        N, M = self.G.n_batches, self.F.n_batches
        p, d = problem.inner_dim, problem.outer_dim
        needed = 8 * ((2 * N + M) * p + (N + M) * d)
        if needed > MAX_MEMORY:
            raise ValueError(
                f"batch_size={self.batch_size!r} is not valid: the memory of "
                f"all {N} + {M} batches takes {needed / 2**30:.1f} GiB, at "
                f"most {MAX_MEMORY / 2**30:.1f} GiB are allowed; a larger "
                "batch_size needs less")

    def start(self):
        self.v = np.zeros_like(self.z)
        p, d = self.z.size, self.x.size
        N, M = self.G.n_batches, self.F.n_batches
        # Memories of g, H v, C v, f1 and f2, and their averages.
        self.memory = tuple(
            np.zeros(shape)
            for shape in [(N, p), (N, p), (N, d), (M, p), (M, d)]
        )
        if self.memory_init == "full":
            fill_memory(self.G, self.F, self.z, self.v, self.x, self.memory)
        self.average = tuple(table.mean(0) for table in self.memory)

    def advance(self, n_iterations):
        saba(self.G, self.F, self.inner_batches, self.outer_batches,
             self.z, self.v, self.x, self.memory, self.average,
             self.step_size, self.outer_ratio, n_iterations)


@jit
def fill_memory(G, F, z, v, x, memory):
    m_g, m_Hv, m_Cv, m_f1, m_f2 = memory
    for i in range(G.n_batches):
        directions(G, i, z, x, v, m_g[i], m_Hv[i], m_Cv[i])
    for j in range(F.n_batches):
        gradients(F, j, z, x, m_f1[j], m_f2[j])


@kernel
def saga(memory, average, k, phi):
    """Replace phi, in place, by its SAGA estimate; remember phi."""
    for c in range(phi.size):
        change = phi[c] - memory[k, c]
        memory[k, c] = phi[c]
        phi[c] = change + average[c]
        average[c] += change / memory.shape[0]


@jit
def saba(G, F, inner_batches, outer_batches, z, v, x, memory, average,
         step_size, outer_ratio, n_iterations):
    m_g, m_Hv, m_Cv, m_f1, m_f2 = memory
    a_g, a_Hv, a_Cv, a_f1, a_f2 = average
    g, Hv, f1 = np.empty_like(z), np.empty_like(z), np.empty_like(z)
    Cv, f2 = np.empty_like(x), np.empty_like(x)
    rho, gamma = step_size, step_size / outer_ratio
    for _ in range(n_iterations):
        i, j = draw(inner_batches), draw(outer_batches)
        directions(G, i, z, x, v, g, Hv, Cv)
        gradients(F, j, z, x, f1, f2)

        saga(m_g, a_g, i, g)
        saga(m_Hv, a_Hv, i, Hv)
        saga(m_Cv, a_Cv, i, Cv)
        saga(m_f1, a_f1, j, f1)
        saga(m_f2, a_f2, j, f2)

        descend(z, rho, g)  # D_z
        descend(v, rho, Hv)  # D_v = H v + f1
        descend(v, rho, f1)
        descend(x, gamma, Cv)  # D_x = C v + f2
        descend(x, gamma, f2)
        project(G, x)
